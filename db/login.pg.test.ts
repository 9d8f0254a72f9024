import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAppLogin, prepareAppLogin } from './login.ts';
import { migrate } from './migrate.ts';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

const password = 'a-password-of-tests';
let db: TestDatabase;
let admin: postgres.Sql;
/** Roles and databases belong to the whole cluster: names of this file alone. */
const tag = randomBytes(4).toString('hex');

beforeAll(async () => {
  db = await createTestDatabase();
  admin = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
});
afterAll(async () => {
  await admin.end();
  await db.close();
});

const as = (user: string, database?: string) => {
  const url = new URL(db.ownerUrl);
  url.username = user;
  url.password = password;
  if (database) url.pathname = `/${database}`;
  return url.href;
};

let login = '';
test('twice, and twice at once, gives the same login with the new password', async () => {
  const urls = await Promise.all([1, 2].map(() => prepareAppLogin(db.ownerUrl, password)));
  expect(urls[0]).toBe(urls[1]);
  const sql = postgres(urls[0] ?? '', { max: 1 });
  expect((await sql`select current_user as name`)[0]?.['name']).toBe(new URL(db.url).username);
  await sql.end();
  login = urls[0] ?? '';
  expect(await isAppLogin(login)).toBe(true);
  expect(await isAppLogin(db.ownerUrl)).toBe(false);
});

test('a login that is neither owner nor member is refused with the SQL to run', async () => {
  const name = `plain_${tag}`;
  await admin
    .unsafe(
      `CREATE ROLE ${name} LOGIN PASSWORD '${password}'; GRANT CONNECT ON DATABASE ${new URL(db.ownerUrl).pathname.slice(1)} TO ${name}`,
    )
    .simple();
  try {
    await expect(isAppLogin(as(name))).rejects.toThrow(/may not create roles.*CREATEROLE.*IN ROLE tsumugi_app/);
    await expect(prepareAppLogin(as(name), password)).rejects.toThrow(/may not create roles/);
  } finally {
    await admin.unsafe(`DROP OWNED BY ${name}; DROP ROLE ${name}`).simple();
  }
});

test('a member that is made with the SQL that is told is enough, beside the login that is there', async () => {
  const [name, member] = [`plain_${tag}`, `member_${tag}`];
  await prepareAppLogin(db.ownerUrl, password);
  await admin
    .unsafe(
      `CREATE ROLE ${name} LOGIN PASSWORD '${password}'; GRANT CONNECT ON DATABASE ${new URL(db.ownerUrl).pathname.slice(1)} TO ${name}`,
    )
    .simple();
  try {
    const told = await isAppLogin(as(name)).catch((error: unknown) => String(error));
    const [, sql = ''] = /then run (CREATE ROLE .+;) and put/.exec(String(told)) ?? [];
    await admin.unsafe(sql.replaceAll('tsumugi_server', member).replace("'...'", `'${password}'`)).simple();
    expect(await isAppLogin(as(member))).toBe(true);
    // The next start of an owner takes nothing from it.
    await prepareAppLogin(db.ownerUrl, password);
    expect(await isAppLogin(as(member))).toBe(true);
  } finally {
    await admin.unsafe(`DROP OWNED BY ${name}, ${member}; DROP ROLE ${name}, ${member}`).simple();
  }
});

test('a member over a schema that is not current is refused', async () => {
  await admin`update ops.schema_migrations set version = version + 5000 where version = (select max(version) from ops.schema_migrations)`;
  await expect(isAppLogin(login)).rejects.toThrow(/newer version/);
  await admin`update ops.schema_migrations set version = version - 5000 where version > 5000`;
  const [last] =
    await admin`delete from ops.schema_migrations where version = (select max(version) from ops.schema_migrations) returning *`;
  await expect(isAppLogin(login)).rejects.toThrow(/not current/);
  await admin`insert into ops.schema_migrations ${admin(last ?? {})}`;
});

test('an owner who is no superuser, as managed databases give, can set everything up', async () => {
  const [name, database] = [`managed_${tag}`, `managed_${tag}`];
  await admin.unsafe(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD '${password}'`);
  // It did not make the group of this cluster, so the one who did hands it on.
  await admin.unsafe(`GRANT tsumugi_app TO ${name} WITH ADMIN OPTION`);
  await admin.unsafe(`CREATE DATABASE ${database} OWNER ${name}`);
  let made = '';
  try {
    expect(await migrate(as(name, database))).toBeGreaterThan(1);
    const url = await prepareAppLogin(as(name, database), password);
    made = new URL(url).username;
    expect(await prepareAppLogin(as(name, database), password)).toBe(url);
    expect(await isAppLogin(url)).toBe(true);
  } finally {
    await admin.unsafe(`DROP DATABASE ${database} WITH (FORCE)`);
    if (made) await admin.unsafe(`DROP ROLE ${made}`);
    await admin.unsafe(`DROP ROLE ${name}`);
  }
});
