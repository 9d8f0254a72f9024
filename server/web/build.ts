/**
 * Builds the page when its sources have changed since the last build, and only then. Owns `dist`; refuses to leave
 * half a page there: a build goes to a folder of its own and is renamed into place.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export type BuildLog = { info(message: string): void };

const webDir = fileURLToPath(new URL('.', import.meta.url));
const rootDir = fileURLToPath(new URL('../../', import.meta.url));
/** One folder a state of the sources, named by its hash: what stands there is whole and never changes. */
const distDir = join(webDir, 'dist');
const kept = 3;

/** Packages whose version decides what the bundle contains. */
const bundled = ['vite', 'preact', '@preact/signals', 'msgpackr'];

/**
 * Makes sure that the page is built from the sources as they are. A quick no-op when it is.
 * @returns the folder to serve
 * @throws when the sources do not build
 */
export async function buildPageIfNeeded({ log }: { log: BuildLog }): Promise<string> {
  const builtDir = join(distDir, (await hashSources()).slice(0, 16));
  if (existsSync(builtDir)) return builtDir;
  const startedMs = performance.now();
  await buildInto(builtDir);
  await removeOld(builtDir);
  log.info(`page built in ${Math.round(performance.now() - startedMs)} ms`);
  return builtDir;
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
    .filter((file) => !/^dist/.test(relative(webDir, file)));
}

async function buildInto(builtDir: string): Promise<void> {
  // Imported late: a start with a current page needs no bundler in memory.
  const [{ build }, { default: config }] = await Promise.all([import('vite'), import('./vite.config.ts')]);
  await mkdir(distDir, { recursive: true });
  const nextDir = await mkdtemp(join(distDir, '.next-'));
  try {
    await build({
      ...config,
      configFile: false,
      logLevel: 'warn',
      build: { ...config.build, outDir: nextDir, emptyOutDir: true },
    });
    await rename(nextDir, builtDir);
  } catch (error) {
    // Another start built the same in the meantime.
    if (!existsSync(builtDir)) throw error;
  } finally {
    await rm(nextDir, { recursive: true, force: true });
  }
}

/** Former builds, but for the latest ones: a server that is just starting may be reading one. */
async function removeOld(builtDir: string): Promise<void> {
  const names = (await readdir(distDir)).filter(
    (name) => /^[0-9a-f]{16}$/.test(name) && join(distDir, name) !== builtDir,
  );
  const dated = await Promise.all(
    names.map(async (name) => ({ dir: join(distDir, name), atMs: (await stat(join(distDir, name))).mtimeMs })),
  );
  const old = dated.sort((a, b) => b.atMs - a.atMs).slice(kept - 1);
  await Promise.all(old.map(({ dir }) => rm(dir, { recursive: true, force: true })));
}
