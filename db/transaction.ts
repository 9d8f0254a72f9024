/**
 * One transaction on a connection that nobody else uses meanwhile. BEGIN and what sets the context travel in one write with the
 * first query of the work.
 */
import type postgres from 'postgres';
import { type Connection, ConnectionLost } from './connections.ts';

export type Role = 'user' | 'admin' | 'service';
type Sql = postgres.TransactionSql;

/**
 * Runs `work` and commits; rolls back when it throws. `work` runs once.
 * A query that fails ends the transaction even if `work` catches its error: what may fail needs a savepoint or ON CONFLICT.
 */
export async function transact<T>(
  connection: Connection,
  context: { role: Role; userId: string },
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { sql } = connection;
  const state = { ended: false };
  const first = [
    sql.unsafe('begin').execute(),
    sql`select set_config('app.role', ${context.role}, true), set_config('app.user_id', ${context.userId}, true)`.execute(),
  ];
  for (const query of first) query.catch(() => {});
  try {
    const result = await work(scoped(sql, state));
    await Promise.all(first);
    state.ended = true;
    const { command } = await sql.unsafe('commit');
    if (command !== 'COMMIT')
      throw new Error('The transaction was rolled back: a query in it failed, and its error was caught.');
    return result;
  } catch (error) {
    state.ended = true;
    await rollBack(connection);
    throw error;
  }
}

async function rollBack(connection: Connection): Promise<void> {
  if (connection.isLost) return;
  try {
    await connection.sql.unsafe('rollback');
  } catch {
    // In what state it is nobody knows: nobody gets it again.
    connection.discard(new ConnectionLost('The connection to PostgreSQL did not roll back.'));
  }
}

/** The connection's `sql` for as long as the transaction lives. */
function scoped(sql: postgres.Sql, state: { ended: boolean }): Sql {
  let savepoints = 0;
  const check = () => {
    if (state.ended) throw new Error('The transaction has ended: a query came too late. Await every query inside it.');
  };
  const savepoint = async (nameOrWork: unknown, maybeWork?: unknown): Promise<unknown> => {
    const work = (maybeWork ?? nameOrWork) as (inner: Sql) => Promise<unknown>;
    const name = `s${savepoints++}`;
    check();
    await sql.unsafe(`savepoint ${name}`);
    try {
      const result = await work(scope);
      await sql.unsafe(`release savepoint ${name}`);
      return result;
    } catch (error) {
      check();
      await sql.unsafe(`rollback to savepoint ${name}`);
      throw error;
    }
  };
  const callable = (...args: unknown[]): unknown => {
    check();
    return (sql as unknown as (...given: unknown[]) => unknown)(...args);
  };
  const unsafe = (...args: unknown[]): unknown => {
    check();
    return (sql.unsafe as unknown as (...given: unknown[]) => unknown)(...args);
  };
  const scope = Object.assign(callable, {
    types: sql.types,
    typed: sql.typed,
    array: sql.array,
    json: sql.json,
    options: sql.options,
    unsafe,
    savepoint,
  }) as unknown as Sql;
  return scope;
}
