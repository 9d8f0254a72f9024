/**
 * The connection pool and the three ways to open a transaction. Row level security sees who asks through two local settings;
 * there is no way to query a table with user data without saying who asks.
 */
import { PgDatabase, PgDialect } from 'drizzle-orm/pg-core';
import { type PostgresJsQueryResultHKT, PostgresJsSession } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';

type Orm = PgDatabase<PostgresJsQueryResultHKT, Record<string, never>>;

/**
 * One transaction. `sql` is postgres.js for hot paths (queries that are not awaited one by one are pipelined), `orm` is
 * Drizzle over the same connection.
 */
export type Tx = { readonly sql: postgres.TransactionSql; readonly orm: Orm };

type AppRole = 'user' | 'admin' | 'service';
const dialect = new PgDialect();

class Transaction implements Tx {
  readonly sql: postgres.TransactionSql;
  #orm: Orm | undefined;

  constructor(sql: postgres.TransactionSql) {
    this.sql = sql;
  }

  get orm(): Orm {
    this.#orm ??= new PgDatabase(dialect, new PostgresJsSession(this.sql as never, dialect, undefined, {}), undefined) as unknown as Orm;
    return this.#orm;
  }
}

export class Database {
  readonly #sql: postgres.Sql;

  constructor(url: string, options: postgres.Options<Record<string, never>> = {}) {
    this.#sql = postgres(url, { max: 10, onnotice: () => {}, connection: { application_name: 'tsumugi' }, ...options });
  }

  /** A person's own transaction: sees his rows and what is published. */
  asUser<T>(userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('user', userId, work);
  }

  /** An operator's transaction. The caller has checked the role. */
  asAdmin<T>(userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('admin', userId, work);
  }

  /** The server's own transaction: sign-in, settlement, jobs. Never with an SQL text that a client chose. */
  asService<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#begin('service', '', work);
  }

  async ping(): Promise<void> {
    await this.#sql`select 1`;
  }

  /** Waits for running queries, at most `timeoutS` seconds. */
  async close(timeoutS = 5): Promise<void> {
    await this.#sql.end({ timeout: timeoutS });
  }

  #begin<T>(role: AppRole, userId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#sql.begin(async (sql) => {
      // Sent without waiting: it goes out in one write with the first query of `work`, which it precedes on the connection.
      const context = sql`select set_config('app.role', ${role}, true), set_config('app.user_id', ${userId}, true)`.execute();
      context.catch(() => {});
      const result = await work(new Transaction(sql));
      await context;
      return result;
    }) as Promise<T>;
  }
}
