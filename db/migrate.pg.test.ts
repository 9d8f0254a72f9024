import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkHistory, migrate, readMigrations } from './migrate.ts';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

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

test('the template has every migration of the folder, with its checksum', async () => {
  const rows = await sql`select version, checksum from ops.schema_migrations order by version`;
  const files = await readMigrations();
  expect(rows.map((row) => ({ ...row }))).toEqual(files.map(({ version, checksum }) => ({ version, checksum })));
});

test('a second run changes nothing', async () => {
  expect(await migrate(db.ownerUrl)).toBe(0);
});

test('four starts at once apply a new migration once', async () => {
  const migrations = [
    ...(await readMigrations()),
    { version: 9000, name: 'probe', sql: 'create table public.probe (n int)', checksum: 'a'.repeat(64) },
  ];
  const counts = await Promise.all([1, 2, 3, 4].map(() => migrate(db.ownerUrl, { migrations })));
  expect(counts.sort()).toEqual([0, 0, 0, 1]);
  await sql`delete from ops.schema_migrations where version = 9000`;
});

test('a migration that fails leaves nothing behind and names itself and the line', async () => {
  const broken = {
    version: 9001,
    name: 'broken',
    sql: 'create table public.half (n int);\nselect nonsense;',
    checksum: 'b'.repeat(64),
  };
  const migrations = [...(await readMigrations()), broken];
  await expect(migrate(db.ownerUrl, { migrations })).rejects.toThrow(/9001_broken failed: .*nonsense.*line 2/);
  const [row] = await sql`select to_regclass('public.half') as half`;
  expect(row?.['half']).toBeNull();
});

test('a changed file and a newer database are refused', () => {
  const migration = { version: 1, name: 'one', sql: '', checksum: 'a'.repeat(64) };
  expect(() => checkHistory([migration], [{ version: 1, name: 'one', checksum: 'b'.repeat(64) }])).toThrow(
    /0001_one was changed/,
  );
  expect(() => checkHistory([migration], [{ version: 2, name: 'two', checksum: 'a'.repeat(64) }])).toThrow(
    /newer version/,
  );
});
