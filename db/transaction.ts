/**
 * One transaction on a connection that nobody else uses meanwhile. BEGIN and what sets the context travel in one write with the
 * first query of the work; where the work is known beforehand, all of it and COMMIT do.
 */
import type postgres from 'postgres';
import { type Connection, ConnectionLost } from './connections.ts';

export type Role = 'user' | 'admin' | 'service';
type Sql = postgres.TransactionSql;
/** @param byKey all statements find their rows by key, so that they are planned once and not for each call. */
type Context = { role: Role; userId: string; byKey?: boolean };

/**
 * Runs `work` and commits; rolls back when it throws. `work` runs once.
 * A query that fails ends the transaction even if `work` catches its error: what may fail needs a savepoint or ON CONFLICT.
 */
export async function transact<T>(
  connection: Connection,
  context: Context,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { sql } = connection;
  const state: Scope = { ended: false };
  const first = begin(sql, context);
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

/**
 * As `transact`, in one round trip: everything that `work` asks before its first `await` is sent, in that order, together with
 * BEGIN and COMMIT. What it asks later is refused. A query that fails makes those behind it fail and the whole is rolled back,
 * so whatever must hold for the others to count has to raise an error in SQL. What `work` makes of the answers undoes nothing.
 */
export async function transactAtOnce<T>(
  connection: Connection,
  context: Context,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { sql } = connection;
  const asked = new Set<Pending>();
  const state: Scope = { ended: false, asked };
  const first = begin(sql, context);
  // On a connection that has yet to be made, queries are written when nobody can look at them any more.
  if (!connection.isOpen) await Promise.all(first);
  const failed: { work?: boolean; unsent?: Error } = {};
  const result = work(scoped(sql, state));
  state.ended = true;
  result.catch(() => {
    failed.work = true;
  });
  // Now, in the order in which they were made: a query that is awaited sends itself some microtasks later.
  for (const query of asked) query.execute();
  for (const query of [...first, ...asked]) {
    query.catch((error: Error) => {
      failed.unsent = error;
    });
  }
  // What fails before anything can have been answered says so meanwhile: the others must not count then.
  for (let turn = 0; turn < MICROTASKS; turn++) await undefined;
  // Where a parameter cannot be written, postgres.js 3.4.9 has lost count of what the server will answer.
  if (failed.unsent !== undefined) connection.discard(failed.unsent);
  const end = sql.unsafe(failed.work ? 'rollback' : 'commit').execute();
  end.catch(() => {});
  try {
    const value = await result;
    const [{ command }] = await Promise.all([end, ...first, ...asked]);
    if (command !== 'COMMIT') throw new Error('The transaction was rolled back: a query in it failed.');
    return value;
  } catch (error) {
    await rolledBack(connection, end);
    throw error;
  }
}

/** More than any failure takes to come from the driver through the functions around a query. */
const MICROTASKS = 12;

/** A plan that is kept may be as old as the tables, and must not read all of what was little then. */
function planOnce(sql: postgres.Sql) {
  return sql`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`;
}

function begin(sql: postgres.Sql, { role, userId, byKey }: Context): Promise<unknown>[] {
  const first = [
    sql.unsafe('begin').execute(),
    sql`select set_config('app.role', ${role}, true), set_config('app.user_id', ${userId}, true)`.execute(),
    ...(byKey === true ? [planOnce(sql).execute()] : []),
  ];
  for (const query of first) query.catch(() => {});
  return first;
}

/** COMMIT ends a transaction that has failed, too. */
async function rolledBack(connection: Connection, end: Promise<unknown>): Promise<void> {
  try {
    await end;
  } catch {
    await rollBack(connection);
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

type Pending = postgres.PendingQuery<postgres.Row[]>;
/** `asked`: whole queries, not the fragments that are put into others. */
type Scope = { ended: boolean; asked?: Set<Pending> };

/** The connection's `sql` for as long as the transaction lives. */
function scoped(sql: postgres.Sql, state: Scope): Sql {
  let savepoints = 0;
  const check = () => {
    if (state.ended) throw new Error('The transaction has ended: a query came too late. Await every query inside it.');
  };
  const note = (made: unknown, args: readonly unknown[]): unknown => {
    for (const part of args) state.asked?.delete(part as Pending);
    if (made instanceof Promise) state.asked?.add(made as Pending);
    return made;
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
    return note((sql as unknown as (...given: unknown[]) => unknown)(...args), args);
  };
  const unsafe = (...args: unknown[]): unknown => {
    check();
    return note((sql.unsafe as unknown as (...given: unknown[]) => unknown)(...args), args);
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
