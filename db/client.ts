/**
 * The connection pool and the three ways to open a transaction. Row level security sees who asks through two local settings;
 * there is no way to query a table with user data without saying who asks.
 */
import { PgDatabase, PgDialect } from 'drizzle-orm/pg-core';
import { type PostgresJsQueryResultHKT, PostgresJsSession } from 'drizzle-orm/postgres-js';
import type postgres from 'postgres';
import { type ConnectionOptions, ConnectionPool } from './connections.ts';
import { type Role, transact, transactAtOnce } from './transaction.ts';

type Orm = PgDatabase<PostgresJsQueryResultHKT, Record<string, never>>;

/**
 * One transaction. `sql` is postgres.js for hot paths (queries that are not awaited one by one are pipelined), `orm` is
 * Drizzle over the same connection.
 */
export type Tx = { readonly sql: postgres.TransactionSql; readonly orm: Orm };
/** One statement that is a transaction of its own. Row level security shows it nothing until it says itself who asks. */
export type Statement = { readonly sql: postgres.Sql };

const dialect = new PgDialect();
/**
 * Drizzle hands over JSON as text, postgres.js's `sql.json` as a value: each reaches the column once encoded. So a bare string
 * cannot be stored as JSON through `sql.json`. All other types are postgres.js's: int8 and numeric come as strings, timestamps
 * as Dates.
 */
const json: postgres.PostgresType<unknown> = {
  to: 3802,
  from: [114, 3802],
  serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
  parse: (text: string) => JSON.parse(text) as unknown,
};

class Transaction implements Tx {
  readonly sql: postgres.TransactionSql;
  #orm: Orm | undefined;

  constructor(sql: postgres.TransactionSql) {
    this.sql = sql;
  }

  get orm(): Orm {
    this.#orm ??= new PgDatabase(
      dialect,
      new PostgresJsSession(this.sql as never, dialect, undefined, {}),
      undefined,
    ) as unknown as Orm;
    return this.#orm;
  }
}

const defaultConnections = 10;
const isAnswer = (error: unknown) => typeof error === 'object' && error !== null && 'severity' in error;

export class Database {
  readonly #pool: ConnectionPool;

  /** @param options postgres.js's, of which `max` (10) bounds the connections. Nothing is opened before the first query. */
  constructor(url: string, options: ConnectionOptions = {}) {
    const fixed = {
      onnotice: () => {},
      // Work that hangs in a transaction must not hold its locks for good.
      connection: { application_name: 'tsumugi', idle_in_transaction_session_timeout: 60_000 },
      types: { json },
    };
    this.#pool = new ConnectionPool(
      url,
      { ...fixed, ...options } as ConnectionOptions,
      options.max ?? defaultConnections,
    );
  }

  /** For metrics. */
  get load(): { open: number; idle: number; waiting: number } {
    return this.#pool.load;
  }

  // All three run `work` once, and fail with `ConnectionLost` when the server goes away meanwhile.

  /** A person's own transaction: sees his rows and what is published. */
  asUser<T>(userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('user', userId, work);
  }

  /**
   * A person's own transaction in one round trip: `work` asks everything before its first `await`, and the COMMIT goes with it.
   * For what every turn waits for.
   */
  asUserAtOnce<T>(userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#pool.use((connection) =>
      transactAtOnce(connection, { role: 'user', userId }, (sql) => work(new Transaction(sql))),
    );
  }

  /** An operator's transaction. The caller has checked the role. */
  asAdmin<T>(userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('admin', userId, work);
  }

  /** The server's own transaction: sign-in, settlement, jobs. Never with an SQL text that a client chose. */
  asService<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('service', '', work);
  }

  /** The server's own where every statement finds its rows by key: lists of ids are not planned for each call. */
  asServiceByKey<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('service', '', work, true);
  }

  /** The server's own, in one round trip; see `asUserAtOnce`. */
  asServiceAtOnce<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#pool.use((connection) =>
      transactAtOnce(connection, { role: 'service', userId: '' }, (sql) => work(new Transaction(sql))),
    );
  }

  /** For SQL functions that say themselves on whose behalf they run: no BEGIN, no context, no COMMIT beside them. */
  inOneStatement<T>(ask: (statement: Statement) => Promise<T>): Promise<T> {
    return this.#pool.use(async (connection) => {
      try {
        return await ask({ sql: connection.sql });
      } catch (error) {
        // Only what PostgreSQL itself has answered leaves the driver where it was; see `transactAtOnce`.
        if (!isAnswer(error)) connection.discard(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    });
  }

  async ping(): Promise<void> {
    await this.#pool.use((connection) => connection.sql`select 1`);
  }

  /** Waits for running transactions, at most `timeoutS` seconds. */
  async close(timeoutS = 5): Promise<void> {
    await this.#pool.close(timeoutS);
  }

  #begin<T>(role: Role, userId: string, work: (tx: Tx) => Promise<T>, byKey = false): Promise<T> {
    return this.#pool.use((connection) =>
      transact(connection, { role, userId, byKey }, (sql) => work(new Transaction(sql))),
    );
  }
}
