import { eq } from 'drizzle-orm';
import { jsonb, pgSchema, timestamp, uuid } from 'drizzle-orm/pg-core';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Database, type Tx } from './client.ts';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

const ann = '00000000-0000-4000-8000-00000000000a';
const ben = '00000000-0000-4000-8000-00000000000b';
const probe = pgSchema('app').table('probe', {
  userId: uuid('user_id').primaryKey(),
  note: jsonb('note'),
  at: timestamp('at', { withTimezone: true, mode: 'date' }),
});

let db: TestDatabase;
let owner: postgres.Sql;
/** One connection, so that every transaction meets what the one before may have left. */
let single: Database;

beforeAll(async () => {
  db = await createTestDatabase();
  owner = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
  single = new Database(db.url, { max: 1 });
  await owner.unsafe(`
    CREATE TABLE app.probe (user_id uuid PRIMARY KEY, note jsonb, at timestamptz);
    ALTER TABLE app.probe ENABLE ROW LEVEL SECURITY;
    ALTER TABLE app.probe FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON app.probe TO tsumugi_app USING (user_id = app.user_id());
    GRANT SELECT, INSERT, UPDATE, DELETE ON app.probe TO tsumugi_app;
    INSERT INTO app.probe VALUES ('${ann}', '1'), ('${ben}', '2');
  `);
});
afterAll(async () => {
  await single.close();
  await owner.end();
  await db.close();
});

const seen = async (tx: Tx) =>
  (await tx.sql<{ id: string }[]>`select user_id as id from app.probe`).map(({ id }) => id);

test('each sees his own rows; the settings are gone after commit and rollback on the same connection', async () => {
  const pid = async (tx: Tx) => (await tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid;
  const first = await single.asUser(ann, pid);
  expect(await single.asUser(ann, seen)).toEqual([ann]);
  expect(await single.asService(seen)).toEqual([]);
  await expect(
    single.asUser(ann, async () => {
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await single.asUser(ben, seen)).toEqual([ben]);
  expect(await single.asUser(ben, pid)).toBe(first);
  const plain = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    await plain.begin((sql) => sql`select set_config('app.user_id', ${ann}, true)`);
    // After a commit the setting is an empty string, which must mean nobody.
    expect(await plain`select * from app.probe`).toHaveLength(0);
    expect((await plain`select app.role() as role, app.user_id() as id`)[0]).toEqual({ role: 'none', id: null });
  } finally {
    await plain.end();
  }
});

test('writing a row of somebody else is refused, and changing one finds nothing', async () => {
  const steal = single.asUser(ann, (tx) => tx.sql`update app.probe set user_id = ${ben} where user_id = ${ann}`);
  await expect(steal).rejects.toMatchObject({ code: '42501' });
  const change = await single.asUser(ann, (tx) => tx.sql`update app.probe set note = '9' where user_id = ${ben}`);
  expect(change.count).toBe(0);
});

test('a user id that is no uuid is an error, never a wider view', async () => {
  await expect(single.asUser("' or true --", seen)).rejects.toMatchObject({ code: '22P02' });
  expect(await single.asUser('', seen)).toEqual([]);
});

test('Drizzle and postgres.js store JSON once encoded, and give instants as Dates', async () => {
  const note = { text: '紡ぎ', list: [1, null] };
  const at = new Date('2026-01-02T03:04:05.678Z');
  const rows = await single.asUser(ann, async (tx) => {
    await tx.orm.update(probe).set({ note, at }).where(eq(probe.userId, ann));
    const byOrm = await tx.orm.select().from(probe);
    const bySql = await tx.sql`select note, at, jsonb_typeof(note) as kind from app.probe`;
    await tx.sql`update app.probe set note = ${tx.sql.json({ again: true })}`;
    const [changed] = await tx.sql`select jsonb_typeof(note) as kind, note from app.probe`;
    return { byOrm, bySql, changed };
  });
  expect(rows.byOrm).toEqual([{ userId: ann, note, at }]);
  expect(rows.bySql[0]).toEqual({ note, at, kind: 'object' });
  expect(rows.changed).toEqual({ kind: 'object', note: { again: true } });
});

test('a connection that is cut in a transaction is an error; the next transaction works', async () => {
  const cut = single.asUser(ann, async (tx) => {
    const [row] = await tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await owner`select pg_terminate_backend(${row?.pid ?? 0})`;
    return seen(tx);
  });
  await expect(cut).rejects.toThrow();
  expect(await single.asUser(ann, seen)).toEqual([ann]);
});

test('many transactions at once do not mix their callers', async () => {
  const turns = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? ann : ben));
  const found = await Promise.all(turns.map((id) => db.database.asUser(id, seen)));
  expect(found).toEqual(turns.map((id) => [id]));
});

test("the server's login is nobody special", async () => {
  const [role] = await owner`
    select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin from pg_roles
    where rolname = ${new URL(db.url).username}`;
  expect(role).toEqual({
    rolsuper: false,
    rolbypassrls: false,
    rolcreaterole: false,
    rolcreatedb: false,
    rolreplication: false,
    rolcanlogin: true,
  });
  const owned = await owner`
    select classid::regclass::text, objid from pg_shdepend
    where refobjid = ${new URL(db.url).username}::regrole and deptype = 'o'`;
  expect(owned).toHaveLength(0);
});

test('it can not become its group; on PostgreSQL 15, which cannot forbid it, it gains nothing by that', async () => {
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    const [version] = await sql<{ n: number }[]>`select current_setting('server_version_num')::int as n`;
    const become = sql.unsafe('set role tsumugi_app').simple();
    if ((version?.n ?? 0) >= 160_000) await expect(become).rejects.toMatchObject({ code: '42501' });
    else await become;
    expect(await sql`select * from app.probe`).toHaveLength(0);
  } finally {
    await sql.end();
  }
});

test.each([
  'set role tsumugi_owner',
  'set session authorization tsumugi_owner',
  'set row_security = off; select * from app.probe',
  'alter table app.probe disable row level security',
  'create table public.mine (n int)',
  'create table app.mine (n int)',
  'create temporary table mine (n int)',
  'create schema mine',
  'truncate app.probe',
  'insert into ops.schema_migrations (version, name, checksum) values (9999, $$x$$, repeat($$a$$, 64))',
  "copy app.probe to program 'true'",
  "select pg_read_file('/etc/passwd')",
])('it can not: %s', async (text) => {
  const sql = postgres(db.url, { max: 1, onnotice: () => {} });
  try {
    await expect(sql.unsafe(text).simple()).rejects.toMatchObject({ code: '42501' });
  } finally {
    await sql.end();
  }
});

test('one statement is a transaction of its own; one that cannot be sent, or fails, leaves the next one as it is', async () => {
  for (const [value, code] of [
    [undefined as never, 'UNDEFINED_VALUE'],
    [0, '22012'],
  ] as const) {
    await expect(single.inOneStatement(({ sql }) => sql`select 1 / ${value}::int as n`)).rejects.toMatchObject({
      code,
    });
    expect(await single.inOneStatement(({ sql }) => sql`select 1 / ${1}::int as n`)).toMatchObject([{ n: 1 }]);
    expect(await single.asUser(ann, seen)).toEqual([ann]);
  }
});

test('plans are kept for transactions that find everything by key, and for no others on the same connection', async () => {
  const settings = (tx: Tx) =>
    tx.sql`select current_setting('plan_cache_mode') as plans, current_setting('enable_seqscan') as scans,
      current_setting('app.role') as role`;
  const usual = { plans: 'auto', scans: 'on', role: 'service' };
  expect(await single.asServiceByKey(settings)).toEqual([
    { plans: 'force_generic_plan', scans: 'off', role: 'service' },
  ]);
  expect(await single.asService(settings)).toEqual([usual]);
  await expect(single.asServiceByKey((tx) => tx.sql`select 1 / 0`)).rejects.toMatchObject({ code: '22012' });
  expect(await single.asService(settings)).toEqual([usual]);
});

describe('a transaction in one round trip', () => {
  const noteOf = async (userId: string) =>
    (await owner<{ note: unknown }[]>`select note from app.probe where user_id = ${userId}`)[0]?.note;
  const setNote = async (tx: Tx, note: number) => {
    const rows = await tx.sql`update app.probe set note = ${tx.sql.json(note)} returning note`;
    return rows.map((row) => row['note']);
  };

  test('does what it is asked in order and as that person, and commits', async () => {
    for (const note of [1, 2]) {
      const [first, second, ids] = await single.asUserAtOnce(ann, (tx) =>
        Promise.all([setNote(tx, note), setNote(tx, note + 10), seen(tx)]),
      );
      expect([first, second, ids]).toEqual([[note], [note + 10], [ann]]);
      expect(await noteOf(ann)).toBe(note + 10);
    }
    expect(await single.asService(seen)).toEqual([]);
  });

  test('knows a part of a query from a query', async () => {
    const [row] = await single.asUserAtOnce(ann, (tx) => {
      const mine = tx.sql`user_id = ${ann}`;
      return tx.sql<{ n: number }[]>`select count(*)::int as n from app.probe where ${mine}`;
    });
    expect(row).toEqual({ n: 1 });
  });

  test('leaves nothing when one query fails, the first or the last', async () => {
    const fail = async (tx: Tx) => tx.sql`select 1 / 0`;
    const works: ((tx: Tx) => Promise<unknown>)[] = [
      (tx) => Promise.all([setNote(tx, 77), fail(tx)]),
      (tx) => Promise.all([fail(tx), setNote(tx, 77)]),
    ];
    for (const work of works) {
      await expect(single.asUserAtOnce(ann, work)).rejects.toMatchObject({ code: '22012' });
      expect(await noteOf(ann)).not.toBe(77);
    }
    expect(await single.asUser(ann, seen)).toEqual([ann]);
  });

  test('leaves nothing when a query cannot even be sent, or the work throws behind its first query', async () => {
    const unsendable = async (tx: Tx) => tx.sql`select ${undefined as never}`;
    await expect(
      single.asUserAtOnce(ann, (tx) => Promise.all([setNote(tx, 78), unsendable(tx)])),
    ).rejects.toMatchObject({ code: 'UNDEFINED_VALUE' });
    await expect(
      single.asUserAtOnce(ann, async (tx) => {
        void setNote(tx, 78).catch(() => {});
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await noteOf(ann)).not.toBe(78);
    expect(await single.asUser(ann, seen)).toEqual([ann]);
  });

  test('refuses what is asked after an await', async () => {
    await expect(
      single.asUserAtOnce(ann, async (tx) => {
        await seen(tx);
        return setNote(tx, 79);
      }),
    ).rejects.toThrow('too late');
    expect(await noteOf(ann)).not.toBe(79);
  });

  test('a failure at the commit is a failure', async () => {
    await owner.unsafe(`
      CREATE FUNCTION app.refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'late'; END $$;
      CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON app.probe DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION app.refuse_late();`);
    try {
      await expect(single.asUserAtOnce(ann, (tx) => setNote(tx, 80))).rejects.toThrow('late');
    } finally {
      await owner.unsafe('DROP TRIGGER late ON app.probe');
    }
    expect(await noteOf(ann)).not.toBe(80);
    expect(await single.asUser(ann, seen)).toEqual([ann]);
  });

  test('that loses its connection is an error; the next one works', async () => {
    const pid = (await single.asUser(ann, (tx) => tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`))[0]?.pid;
    const cut = single.asUserAtOnce(ann, (tx) => Promise.all([tx.sql`select pg_sleep(5)`, setNote(tx, 81)]));
    cut.catch(() => {});
    while (true) {
      const [row] =
        await owner`select pg_terminate_backend(pid) as cut from pg_stat_activity where pid = ${pid ?? 0} and query like '%pg_sleep%'`;
      if (row?.['cut']) break;
    }
    await expect(cut).rejects.toThrow();
    expect(await single.asUser(ann, seen)).toEqual([ann]);
    expect(await noteOf(ann)).not.toBe(81);
  });
});
