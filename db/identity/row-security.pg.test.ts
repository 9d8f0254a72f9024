/** 003-R61 … R64, 000-R26, X-Q4: attempts to get past row level security and grants, as the server's own login. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tx } from '../client.ts';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { uuidv7 } from '../uuid.ts';

let test_: TestDatabase;
const ann = uuidv7();
const bob = uuidv7();
const operator = uuidv7();
const sessionOf = new Map<string, string>();

beforeAll(async () => {
  test_ = await createTestDatabase();
  await test_.database.asService(async ({ sql }) => {
    for (const id of [ann, bob, operator]) {
      const session = uuidv7();
      sessionOf.set(id, session);
      await sql`insert into identity.users (id, email_enc, email_hash, email_hash_version) values (${id}, ${randomBytes(60)}, ${randomBytes(32)}, 1)`;
      await sql`insert into identity.profiles (user_id, display_name) values (${id}, 'name')`;
      await sql`insert into identity.credentials (user_id, password_hash, password_scheme) values (${id}, 'x', 'argon2id')`;
      await sql`insert into identity.sessions (id, user_id, not_after) values (${session}, ${id}, now() + interval '1 day')`;
      await sql`insert into identity.access_tokens (token_hash, session_id, user_id, expires_at) values (${randomBytes(32)}, ${session}, ${id}, now())`;
      await sql`insert into identity.refresh_tokens (token_hash, session_id, user_id, expires_at) values (${randomBytes(32)}, ${session}, ${id}, now())`;
      await sql`insert into identity.data_keys (id, user_id, master_key_id, wrapped_key) values (${uuidv7()}, ${id}, 'k', ${randomBytes(77)})`;
      await sql`insert into ops.audit_logs (id, user_id, actor_type, action) values (${uuidv7()}, ${id}, 'service', 'test.made')`;
    }
    await sql`insert into identity.user_roles (user_id, role) values (${operator}, 'admin')`;
    await sql`insert into identity.hash_keys (version, master_key_id, wrapped_key) values (1, 'k', ${randomBytes(77)})`;
    await sql`insert into identity.data_keys (id, user_id, master_key_id, wrapped_key) values (${uuidv7()}, null, 'k', ${randomBytes(77)})`;
    await sql`insert into ops.admin_events (id, action, outcome) values (${uuidv7()}, 'test', 'done')`;
  });
});
afterAll(() => test_.close());

const asAnn = <T>(work: (tx: Tx) => Promise<T>) => test_.database.asUser(ann, work);

async function count(tx: Tx, table: string): Promise<number> {
  const [row] = await tx.sql.unsafe<{ n: number }[]>(`select count(*)::int as n from ${table}`);
  return row?.n ?? -1;
}

const secretTables = [
  'identity.credentials',
  'identity.access_tokens',
  'identity.refresh_tokens',
  'identity.hash_keys',
];
const ownTables = ['identity.users', 'identity.profiles', 'identity.sessions', 'identity.data_keys', 'ops.audit_logs'];

describe('003-R62: a person', () => {
  test.each(ownTables)('sees exactly the own rows of %s', async (table) => {
    expect(await asAnn((tx) => count(tx, table))).toBe(1);
  });

  test.each([...secretTables, 'identity.user_roles', 'ops.admin_events'])('sees nothing of %s', async (table) => {
    expect(await asAnn((tx) => count(tx, table))).toBe(0);
  });

  test('finds no other person by any condition, join or leaky function', async () => {
    const rows = await asAnn(
      (tx) => tx.sql`
        select p.display_name from identity.profiles p join identity.users u on u.id = p.user_id
        where u.id = ${bob} or u.email_hash is not null and u.id <> ${ann}
        or (select count(*) from identity.users x where x.id = ${bob}) > 0`,
    );
    expect(rows).toEqual([]);
  });

  test.each([
    ['a role', () => `insert into identity.user_roles (user_id, role) values ('${ann}', 'admin')`],
    [
      'a session for another',
      () => `insert into identity.sessions (id, user_id, not_after) values ('${uuidv7()}', '${bob}', now())`,
    ],
    ['an account', () => `insert into identity.users (id) values ('${uuidv7()}')`],
    ['a profile for another', () => `insert into identity.profiles (user_id) values ('${bob}')`],
    ['a password', () => `insert into identity.credentials values ('${ann}', 'x', 'argon2id')`],
    ['a role of a new name', () => `insert into identity.roles values ('root', 'x')`],
    [
      'a key',
      () =>
        `insert into identity.data_keys (id, user_id, master_key_id, wrapped_key) values ('${uuidv7()}', '${bob}', 'k', 'x')`,
    ],
    [
      'an audit entry about another',
      () =>
        `insert into ops.audit_logs (id, user_id, actor_type, actor_id, action) values ('${uuidv7()}', '${bob}', 'user', '${ann}', 'a.b')`,
    ],
    [
      'an audit entry in the server’s name',
      () =>
        `insert into ops.audit_logs (id, user_id, actor_type, actor_id, action) values ('${uuidv7()}', '${ann}', 'service', '${ann}', 'a.b')`,
    ],
    [
      'an operator’s event',
      () =>
        `insert into ops.admin_events (id, admin_user_id, action, outcome) values ('${uuidv7()}', '${ann}', 'x', 'done')`,
    ],
  ])('cannot insert %s', async (_, statement) => {
    await expect(asAnn((tx) => tx.sql.unsafe(statement()))).rejects.toMatchObject({ code: '42501' });
  });

  test.each([
    ['status', `status = 'suspended'`],
    ['mail hash', `email_hash = decode(repeat('00', 32), 'hex')`],
    ['mail', `email_enc = null`],
    ['deletion', `status = 'deleted', deleted_at = now()`],
    ['id', `id = '${bob}'`],
  ])('cannot change the %s in the own row', async (_, change) => {
    await expect(
      asAnn((tx) => tx.sql.unsafe(`update identity.users set ${change} where id = '${ann}'`)),
    ).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('may change the own language and name', async () => {
    const counts = await asAnn(async ({ sql }) => [
      (await sql`update identity.users set locale = 'ja' where id = ${ann}`).count,
      (await sql`update identity.profiles set display_name = 'Ann' where user_id = ${ann}`).count,
    ]);
    expect(counts).toEqual([1, 1]);
  });

  test.each([
    `update identity.profiles set display_name = 'x' where user_id = '${bob}'`,
    `update identity.users set locale = 'ja' where id = '${bob}'`,
    `update identity.sessions set not_after = now() + interval '9 years'`,
    `update identity.credentials set password_hash = 'mine'`,
    `update identity.data_keys set wrapped_key = 'x'`,
    `delete from identity.sessions`,
    `delete from identity.data_keys`,
    `delete from identity.user_roles`,
  ])('changes no row with: %s', async (statement) => {
    expect((await asAnn((tx) => tx.sql.unsafe(statement))).count).toBe(0);
  });

  test('cannot move a row to another owner', async () => {
    for (const statement of [
      `update identity.profiles set user_id = '${bob}' where user_id = '${ann}'`,
      `update identity.sessions set user_id = '${bob}'`,
      `update identity.data_keys set user_id = '${bob}'`,
    ]) {
      await expect(asAnn((tx) => tx.sql.unsafe(statement))).rejects.toMatchObject({ code: '42501' });
    }
  });

  test('COPY and functions that read tables by name show no more than SELECT', async () => {
    const copied = await asAnn(async ({ sql }) => {
      const stream = await sql`copy identity.users (id) to stdout`.readable();
      let text = '';
      for await (const chunk of stream) text += String(chunk);
      return text.trim().split('\n');
    });
    expect(copied).toEqual([ann]);
    const viaXml = await asAnn(
      (tx) => tx.sql<{ x: string }[]>`select table_to_xml('identity.users', true, false, '')::text as x`,
    );
    expect(viaXml[0]?.x).toContain(ann);
    expect(viaXml[0]?.x).not.toContain(bob);
  });

  test('holding the setting of an operator without the role opens nothing (003-R64)', async () => {
    const seen = await test_.database.asAdmin(ann, (tx) => count(tx, 'identity.users'));
    expect(seen).toBe(1);
    expect(await test_.database.asAdmin(ann, (tx) => count(tx, 'ops.admin_events'))).toBe(0);
  });
});

describe('003-R63: an operator', () => {
  const asOperator = <T>(work: (tx: Tx) => Promise<T>) => test_.database.asAdmin(operator, work);

  test('sees accounts, sessions and events, but no secrets', async () => {
    expect(await asOperator((tx) => count(tx, 'identity.users'))).toBe(3);
    expect(await asOperator((tx) => count(tx, 'ops.admin_events'))).toBeGreaterThan(0);
    for (const table of secretTables) expect(await asOperator((tx) => count(tx, table))).toBe(0);
    expect(await asOperator((tx) => count(tx, 'identity.data_keys'))).toBe(1);
  });

  test('cannot grant roles in an operator’s transaction, nor write events in another’s name', async () => {
    await expect(
      asOperator((tx) => tx.sql`insert into identity.user_roles (user_id, role) values (${ann}, 'admin')`),
    ).rejects.toMatchObject({
      code: '42501',
    });
    await expect(
      asOperator(
        (tx) =>
          tx.sql`insert into ops.admin_events (id, admin_user_id, action, outcome) values (${uuidv7()}, ${ann}, 'x', 'done')`,
      ),
    ).rejects.toMatchObject({ code: '42501' });
  });

  test('only as operator: the same person as user sees the own row', async () => {
    expect(await test_.database.asUser(operator, (tx) => count(tx, 'identity.users'))).toBe(1);
  });
});

describe('without a caller', () => {
  test.each([...ownTables, ...secretTables, 'identity.roles', 'identity.user_roles', 'ops.admin_events'])(
    'nothing is seen of %s',
    async (table) => {
      const sql = postgres(test_.url, { max: 1 });
      try {
        expect(await sql.unsafe(`select 1 from ${table}`)).toHaveLength(0);
        // After a transaction the settings are empty strings, not unset.
        await sql.begin(
          (tx) => tx`select set_config('app.role', 'service', true), set_config('app.user_id', ${ann}, true)`,
        );
        expect(await sql.unsafe(`select 1 from ${table}`)).toHaveLength(0);
      } finally {
        await sql.end();
      }
    },
  );
});

describe('001-R51, 000-R27: the audit', () => {
  test.each(['ops.audit_logs', 'ops.admin_events'])(
    '%s only grows, for the server and for the owner of the table',
    async (table) => {
      const owner = postgres(test_.ownerUrl, { max: 1 });
      try {
        for (const statement of [`update ${table} set action = 'x.y'`, `delete from ${table}`, `truncate ${table}`]) {
          await expect(test_.database.asService((tx) => tx.sql.unsafe(statement))).rejects.toMatchObject({
            code: '42501',
          });
          await expect(owner.unsafe(statement)).rejects.toThrow(/append-only/);
        }
      } finally {
        await owner.end();
      }
    },
  );

  test('a person may add an entry about himself', async () => {
    const added = await asAnn(
      (tx) =>
        tx.sql`insert into ops.audit_logs (id, user_id, actor_type, actor_id, action) values (${uuidv7()}, ${ann}, 'user', ${ann}, 'a.b')`,
    );
    expect(added.count).toBe(1);
  });
});
