/** What holds for every table of every migration, also for those that are yet to be written. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

/** Without a person's data, the same for everybody: these need no row level security, but may only be read. */
const masterTables: readonly string[] = ['ops.schema_migrations'];

let db: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  db = await createTestDatabase();
  sql = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await sql.end();
  await db.close();
});

const ours = (column: postgres.PendingQuery<postgres.Row[]>) =>
  sql`${column} not in ('pg_catalog', 'information_schema', 'pg_toast')`;
const names = async (query: postgres.PendingQuery<postgres.Row[]>) => (await query).map((row) => String(row['name']));

test('every table has forced row level security and a policy, but for the master tables', async () => {
  const open = await names(sql`
    select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and ${ours(sql`n.nspname`)} and (not c.relrowsecurity or not c.relforcerowsecurity
      or not exists (select from pg_policy p where p.polrelid = c.oid))`);
  expect(open.filter((name) => !masterTables.includes(name)).sort()).toEqual([]);
});

test('master tables may only be read', async () => {
  const writable = await names(sql`
    select format('%s.%s %s', table_schema, table_name, privilege_type) as name from information_schema.role_table_grants
    where grantee = 'tsumugi_app' and table_schema || '.' || table_name = any(${[...masterTables]}) and privilege_type <> 'SELECT'`);
  expect(writable).toEqual([]);
});

test('policies are for the role of the server, never for everybody', async () => {
  expect(
    await names(sql`select format('%s.%s %s', schemaname, tablename, policyname) as name from pg_policies
      where roles <> array['tsumugi_app']::name[]`),
  ).toEqual([]);
});

test('X-Q4: no policy believes a transaction that calls itself an admin’s, but asks for the role', async () => {
  expect(
    await names(sql`select format('%s.%s %s', schemaname, tablename, policyname) as name from pg_policies
      where strpos(concat(qual, with_check), 'app.is_admin()') > 0`),
  ).toEqual([]);
});

test('every foreign key has an index that begins with its columns', async () => {
  expect(
    await names(sql`
      select format('%s (%s)', f.conrelid::regclass, f.conname) as name from pg_constraint f
      where f.contype = 'f' and not exists (
        select from pg_index i where i.indrelid = f.conrelid
          and (i.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey
          and (i.indkey::int2[])[0:cardinality(f.conkey) - 1] <@ f.conkey)`),
  ).toEqual([]);
});

test('views ask as who looks', async () => {
  expect(
    await names(sql`
      select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('v', 'm') and ${ours(sql`n.nspname`)}
        and not coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1']`),
  ).toEqual([]);
});

test('the server may neither truncate, nor reference, nor put triggers, and everybody else nothing at all', async () => {
  expect(
    await names(sql`
      select format('%s %s.%s %s', grantee, table_schema, table_name, privilege_type) as name
      from information_schema.role_table_grants
      where ${ours(sql`table_schema`)}
        and ((grantee = 'tsumugi_app' and privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'))
          or grantee = 'PUBLIC')`),
  ).toEqual([]);
});

test('functions that run as their owner fix their search path', async () => {
  expect(
    await names(sql`
      select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prosecdef and ${ours(sql`n.nspname`)}
        and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')`),
  ).toEqual([]);
});

test('instants carry their zone', async () => {
  expect(
    await names(sql`
      select format('%s.%s.%s', table_schema, table_name, column_name) as name from information_schema.columns
      where data_type in ('timestamp without time zone', 'time with time zone') and ${ours(sql`table_schema`)}`),
  ).toEqual([]);
});
