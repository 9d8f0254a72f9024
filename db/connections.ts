/**
 * Connections to PostgreSQL, each a postgres.js client of its own that is thrown away when its connection is lost.
 *
 * Why not postgres.js's pool and its `begin`: in 3.4.9 a connection that dies in a transaction ends the process (its own
 * ROLLBACK writes to a socket that is gone, porsager/postgres#1208), or comes back and runs the rest of the dead transaction
 * inside somebody else's (#1216), which row level security can not see.
 */
import postgres from 'postgres';
import { arrayTypes } from './array-types.ts';

export type ConnectionOptions = postgres.Options<Record<string, never>>;

export class Connection {
  readonly sql: postgres.Sql;
  #open = false;
  #lost: Error | undefined;
  /** Rejects what runs now. A promise of the loss to race against would keep every result until the connection ends. */
  readonly #running = new Set<(reason: Error) => void>();
  readonly #lostListeners: (() => void)[] = [];

  /** Connects with the first query. */
  constructor(url: string, options: ConnectionOptions) {
    this.sql = postgres(url, {
      ...options,
      types: { ...arrayTypes, ...options.types },
      fetch_types: false,
      max: 1,
      // Both would end it between two queries of a transaction.
      idle_timeout: null,
      max_lifetime: null,
      onclose: () => this.discard(new ConnectionLost('The connection to PostgreSQL was lost.')),
    } as unknown as ConnectionOptions);
  }

  /** True once something has been done with it. */
  get isOpen(): boolean {
    return this.#open;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  onLost(listener: () => void): void {
    this.#lostListeners.push(listener);
  }

  /** @throws ConnectionLost when the connection goes in the meantime: the driver leaves some queries without an answer then. */
  run<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#running.add(reject);
    const working = (async () => work(this.sql))();
    working
      .then((value) => {
        this.#open = true;
        resolve(value);
      }, reject)
      .finally(() => this.#running.delete(reject));
    return promise;
  }

  /** Ends it at once, whatever runs. Queries that come later are refused. */
  discard(reason: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    for (const reject of this.#running) reject(reason);
    void this.sql.end({ timeout: 0 }).catch(() => {});
    for (const listener of this.#lostListeners) listener();
  }
}

/** The server went away. Whether what ran took effect is unknown. */
export class ConnectionLost extends Error {
  readonly code = 'CONNECTION_LOST';
  override readonly name = 'ConnectionLost';
}

type Waiter = { resolve: (connection: Connection) => void; reject: (error: Error) => void };

/** Up to `max` connections, made when needed; each serves one user at a time, first come, first served. */
export class ConnectionPool {
  readonly #url: string;
  readonly #options: ConnectionOptions;
  readonly #max: number;
  readonly #all = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiters: Waiter[] = [];
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(url: string, options: ConnectionOptions, max: number) {
    this.#url = url;
    this.#options = options;
    this.#max = max;
  }

  /** For metrics. */
  get load(): { open: number; idle: number; waiting: number } {
    return { open: this.#all.size, idle: this.#idle.length, waiting: this.#waiters.length };
  }

  /** Runs `work` alone on a connection. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#take();
    try {
      return await connection.run(() => work(connection));
    } finally {
      this.#giveBack(connection);
    }
  }

  /** Waits for what runs, at most `timeoutS` seconds; who waits for a connection is refused. */
  async close(timeoutS: number): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(poolClosed());
    if (this.#idle.length < this.#all.size) {
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutS * 1000);
      });
      await Promise.race([timeout, new Promise<void>((resolve) => (this.#onIdle = resolve))]);
      clearTimeout(timer);
    }
    const open = [...this.#all];
    // In order where nothing runs, so that the server sees a good-bye and not a loss.
    await Promise.all(open.filter((one) => this.#idle.includes(one)).map((one) => one.sql.end({ timeout: 1 })));
    for (const connection of open) connection.discard(poolClosed());
  }

  #take(): Promise<Connection> {
    if (this.#closed) return Promise.reject(poolClosed());
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(idle);
    if (this.#all.size < this.#max) return Promise.resolve(this.#open());
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  #open(): Connection {
    const connection = new Connection(this.#url, this.#options);
    this.#all.add(connection);
    connection.onLost(() => this.#remove(connection));
    return connection;
  }

  #giveBack(connection: Connection): void {
    if (connection.isLost) return;
    const waiter = this.#waiters.shift();
    if (waiter) {
      waiter.resolve(connection);
      return;
    }
    this.#idle.push(connection);
    if (this.#idle.length === this.#all.size) this.#onIdle?.();
  }

  #remove(connection: Connection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    if (this.#idle.length === this.#all.size) this.#onIdle?.();
    const waiter = this.#closed ? undefined : this.#waiters.shift();
    waiter?.resolve(this.#open());
  }
}

function poolClosed(): Error {
  return new Error('The database has been closed.');
}
