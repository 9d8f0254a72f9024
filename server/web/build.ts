/**
 * Builds the page when its sources have changed since the last build, and only then. Owns `dist`; refuses to leave a
 * half-written one behind: a build goes to a folder of its own and is renamed into place.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export type BuildLog = { info(message: string): void };

const webDir = fileURLToPath(new URL('.', import.meta.url));
const rootDir = fileURLToPath(new URL('../../', import.meta.url));
const distDir = join(webDir, 'dist');
const stampFile = '.built-from';

/** Packages whose version decides what the bundle contains. */
const bundled = ['vite', 'preact', '@preact/signals', 'msgpackr'];

/**
 * Makes sure that `dist` matches the sources. A quick no-op when it does.
 * @returns the folder to serve
 * @throws when the sources do not build
 */
export async function buildPageIfNeeded({ log }: { log: BuildLog }): Promise<string> {
  const hash = await hashSources();
  if ((await readStamp()) === hash) return distDir;
  const startedMs = performance.now();
  await buildInto(hash);
  log.info(`page built in ${Math.round(performance.now() - startedMs)} ms`);
  return distDir;
}

async function readStamp(): Promise<string | undefined> {
  const path = join(distDir, stampFile);
  return existsSync(path) ? (await readFile(path, 'utf8')).trim() : undefined;
}

async function hashSources(): Promise<string> {
  const hash = createHash('sha256');
  const files = [...(await listFiles(webDir)), ...(await listFiles(join(rootDir, 'protocol')))].sort();
  for (const file of files) {
    hash
      .update(relative(rootDir, file))
      .update('\0')
      .update(await readFile(file))
      .update('\0');
  }
  for (const name of bundled) {
    const manifest: unknown = JSON.parse(await readFile(join(rootDir, 'node_modules', name, 'package.json'), 'utf8'));
    const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : '';
    hash.update(`${name}@${String(version)}\0`);
  }
  return hash.digest('hex');
}

/** Files that the bundle is made of; tests and former builds are not. */
async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name) && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/^(dist|\.dist)/.test(relative(webDir, file)));
}

async function buildInto(hash: string): Promise<void> {
  // Imported late: a start with a current `dist` needs no bundler in memory.
  const [{ build }, { default: config }] = await Promise.all([import('vite'), import('./vite.config.ts')]);
  const nextDir = join(webDir, `.dist-${process.pid}`);
  const oldDir = join(webDir, `.dist-old-${process.pid}`);
  await mkdir(nextDir, { recursive: true });
  try {
    await build({
      ...config,
      configFile: false,
      logLevel: 'warn',
      build: { ...config.build, outDir: nextDir, emptyOutDir: true },
    });
    await writeFile(join(nextDir, stampFile), `${hash}\n`);
    if (existsSync(distDir)) await rename(distDir, oldDir);
    await rename(nextDir, distDir);
  } finally {
    await Promise.all([rm(nextDir, { recursive: true, force: true }), rm(oldDir, { recursive: true, force: true })]);
  }
}
