/**
 * The PostgreSQL of `npm start`: one folder, one server, one cluster. Owns the order: lock, place, password, what was left
 * behind, cluster, database.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import postgres from 'postgres';
import { quote } from '../login.ts';
import { locateBinaries } from './binaries.ts';
import { type ClusterOptions, initialize, newPassword, type RunningCluster, startCluster } from './cluster.ts';
import { type InstanceLock, takeLockInTurn } from './lock.ts';
import { stopOrphan } from './orphan.ts';
import { choosePlace, makeOwned, type Place } from './place.ts';
import { isRoot } from './system-user.ts';

export type EmbeddedPostgres = {
  /** Superuser's URL of the database `tsumugi`. */
  readonly ownerUrl: string;
  /** For people: version, port, folder. */
  readonly describe: string;
  /** Resolves when PostgreSQL ended, asked or not. */
  readonly exited: Promise<string>;
  /** Tells a second start in this folder where this server answers. */
  announce(address: string): void;
  /** Tells it that this server is about to end, so that it waits. */
  leave(): void;
  /** Ends the sessions, writes a checkpoint, gives the folder free. Idempotent. */
  stop(): Promise<void>;
};

const database = 'tsumugi';

/**
 * @param options.dataDir made when missing. Holds `postgres` (the cluster or a link to it), `postgres-password` (0600) and
 *   `server.lock`.
 * @param options.settings beside the fixed ones, `name=value`.
 * @throws Error in one line for people: already running, not reachable, of another version.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  log: (line: string) => void;
  settings?: readonly string[];
}): Promise<EmbeddedPostgres> {
  mkdirSync(options.dataDir, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
  const dataDir = realpathSync(options.dataDir);
  const locks = [await takeLockInTurn(dataDir, options.log)];
  const release = () => {
    for (const lock of locks) lock.release();
  };
  try {
    const place = choosePlace(dataDir, options.log);
    // Two copies of a checkout share the link's target: that needs a lock of its own.
    if (dirname(place.folder) !== dataDir) locks.push(await takeLockInTurn(dirname(place.folder), options.log));
    const cluster = await open(place, {
      binaries: locateBinaries(place.user, options.log),
      user: place.user,
      folder: place.folder,
      password: readPassword(dataDir, place.fresh),
      settings: options.settings ?? [],
      log: options.log,
    });
    return running(cluster, place, locks, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function open(place: Place, options: ClusterOptions): Promise<RunningCluster> {
  if (place.fresh) await make(place, options);
  else await stopOrphan(place.folder, options.log);
  const cluster = await startCluster(options);
  try {
    await ensureDatabase(cluster.url('postgres'));
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function running(
  cluster: RunningCluster,
  place: Place,
  locks: readonly InstanceLock[],
  release: () => void,
): EmbeddedPostgres {
  // Whatever ends this process, PostgreSQL is told to end in order.
  const atExit = () => {
    cluster.signal('SIGINT');
    release();
  };
  process.once('exit', atExit);
  const as = place.user ? `, as ${place.user.name}` : '';
  return {
    ownerUrl: cluster.url(database),
    describe: `PostgreSQL 18 (embedded) on 127.0.0.1:${cluster.port}, data in ${place.folder}${as}, pid ${cluster.pid}`,
    exited: cluster.exited,
    announce: (address) => {
      for (const lock of locks) lock.note(address);
    },
    leave() {
      for (const lock of locks) lock.leave();
    },
    async stop() {
      await cluster.stop();
      process.removeListener('exit', atExit);
      release();
    },
  };
}

/** In a folder beside it and then renamed: a first start that is cut off leaves no half cluster. */
async function make(place: Place, options: ClusterOptions): Promise<void> {
  const prefix = `${basename(place.folder)}.unfinished-`;
  for (const name of readdirSync(dirname(place.folder))) {
    if (name.startsWith(prefix)) rmSync(join(dirname(place.folder), name), { recursive: true, force: true });
  }
  const unfinished = join(dirname(place.folder), `${prefix}${process.pid}`);
  makeOwned(unfinished, place.user);
  options.log(`making a new database in ${place.folder}; that takes a few seconds, once`);
  const careless = options.settings?.includes('fsync=off') ?? false;
  await initialize({ ...options, folder: unfinished }, careless ? ['--no-sync'] : []);
  renameSync(unfinished, place.folder);
}

function readPassword(dataDir: string, fresh: boolean): string {
  const path = join(dataDir, 'postgres-password');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (!fresh) throw new Error(`${path} is missing, and without it the data cannot be opened. Restore the file.`);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${newPassword()}\n`, { mode: 0o600, flush: true });
  renameSync(draft, path);
  return readFileSync(path, 'utf8').trim();
}

async function ensureDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    const [known] = await sql`select from pg_database where datname = ${database}`;
    if (!known) await sql.unsafe(`CREATE DATABASE ${quote(database)}`);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
