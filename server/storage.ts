/** Opens what keeps things: PostgreSQL (embedded or given), its schema, the server's own login, and the live store. */
import { createHash } from 'node:crypto';
import { Database } from '../db/client.ts';
import { startEmbeddedPostgres } from '../db/embedded/embedded-postgres.ts';
import type { LiveStore } from '../db/live/live-store.ts';
import { PostgresLiveStore } from '../db/live/postgres.ts';
import { RedisLiveStore } from '../db/live/redis.ts';
import { redisFault } from '../db/live/redis-fault.ts';
import { isAppLogin, prepareAppLogin } from '../db/login.ts';
import { migrate } from '../db/migrate.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';

export type Storage = {
  db: Database;
  /** Connections for what runs beside a transaction and must never wait for the pool that it is in. */
  side: Database;
  live: LiveStore;
  /** True when no other server can use the same data: the folder is locked. */
  alone: boolean;
  /** For people: where things are kept. */
  describe: string;
  /** Tells a second start in the same folder where this server answers. */
  announce(address: string): void;
  /** Tells it that this server is about to end. */
  leave(): void;
};

const SWEEP_MS = 60_000;
const SIDE_CONNECTIONS = 3;

/** @throws Error in one line for people. */
export async function openStorage(
  config: Config,
  log: Log,
  clock: Clock,
  lifecycle: Lifecycle,
  onFatal: (reason: string) => void,
): Promise<Storage> {
  const tell = (line: string) => log.info({}, line);
  const embedded =
    config.databaseUrl === undefined
      ? lifecycle.add('postgres', await startEmbeddedPostgres({ dataDir: config.dataDir, log: tell }), (running) =>
          running.stop(),
        )
      : undefined;
  let stopping = false;
  lifecycle.add('embedded watch', undefined, () => {
    stopping = true;
  });
  embedded?.exited.then((how) => {
    if (!stopping) onFatal(`PostgreSQL ended (${how}).`);
  });
  const url =
    config.databaseUrl === undefined
      ? await prepareDatabase(embedded?.ownerUrl ?? '', tell)
      : await naming('DATABASE_URL', prepareDatabase(config.databaseUrl, tell));
  const db = lifecycle.add('database', new Database(url, { max: config.databasePoolSize }), (database) =>
    database.close(),
  );
  const side = lifecycle.add('side connections', new Database(url, { max: SIDE_CONNECTIONS }), (database) =>
    database.close(),
  );
  const live = lifecycle.add('live store', await openLiveStore(config, url, clock, log), (store) => store.close());
  const kept = embedded?.describe ?? `PostgreSQL at ${new URL(url).host}`;
  return {
    db,
    side,
    live,
    alone: embedded !== undefined && config.redisUrl === undefined,
    describe: config.redisUrl === undefined ? kept : `${kept}, Redis at ${new URL(config.redisUrl).host}`,
    announce: (address) => embedded?.announce(address),
    leave: () => embedded?.leave(),
  };
}

/** @returns the URL of a login that owns nothing, over a schema that is current. */
async function prepareDatabase(ownerUrl: string, tell: (line: string) => void): Promise<string> {
  if (await isAppLogin(ownerUrl)) return ownerUrl;
  await migrate(ownerUrl, { log: tell });
  // The same for every gateway over this database, however it addresses it: each may set it again without cutting others off.
  const { password: ownersPassword, pathname } = new URL(ownerUrl);
  const password = createHash('sha256').update(`tsumugi login\0${pathname}\0${ownersPassword}`).digest('base64url');
  return prepareAppLogin(ownerUrl, password);
}

async function openLiveStore(config: Config, databaseUrl: string, clock: Clock, log: Log): Promise<LiveStore> {
  const store =
    config.redisUrl === undefined ? new PostgresLiveStore(databaseUrl) : new RedisLiveStore(config.redisUrl);
  await (config.redisUrl === undefined ? store.ping() : naming('REDIS_URL', reachable(store.ping(), config.redisUrl)));
  if (store instanceof PostgresLiveStore) sweepNowAndThen(store, clock, log);
  return store;
}

function sweepNowAndThen(store: PostgresLiveStore, clock: Clock, log: Log): void {
  clock.after(SWEEP_MS, () => {
    store
      .sweep()
      .catch((error: unknown) => log.warn({ error }, 'expired rows could not be swept'))
      .finally(() => sweepNowAndThen(store, clock, log));
  });
}

/** Whoever gave a wrong address is told which setting it stood in. */
async function naming<T>(setting: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${setting}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** The host alone is shown: the address may carry a password. */
async function reachable(ping: Promise<unknown>, address: string): Promise<void> {
  try {
    await ping;
  } catch (error) {
    throw new Error(`Redis at ${new URL(address).host} ${redisFault(error)}.`, { cause: error });
  }
}
