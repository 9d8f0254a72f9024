/** 000-R25, X-Q3, X-Q10: keys of encrypted columns in a real database. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encryptedColumns } from '../columns/registry.ts';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { uuidv7 } from '../uuid.ts';
import { ColumnKeys } from './column-keys.ts';
import { FixedMasterKeys } from './master-key-source.ts';

let test_: TestDatabase;
const setting = `k1:${randomBytes(32).toString('base64')}`;
const newKeys = (now = Date.now) => new ColumnKeys(new FixedMasterKeys(setting), { now, maxCached: 3 });
const keys = newKeys();

beforeAll(async () => {
  test_ = await createTestDatabase();
  await keys.prepare(test_.database);
});
afterAll(() => test_.close());

async function newUser(): Promise<string> {
  const id = uuidv7();
  await test_.database.asService(async (tx) => {
    await tx.sql`insert into identity.users (id) values (${id})`;
    await keys.dataKeys.createFor(tx, id);
  });
  return id;
}
const cellOf = (rowId: string) => ({ table: 'identity.profiles', column: 'name_enc', rowId });

test('what one server encrypts another reads; only bytes without meaning are stored', async () => {
  const user = await newUser();
  const sealed = await test_.database.asUser(user, (tx) => keys.cells.encrypt(tx, user, cellOf(user), '山田太郎'));
  expect(sealed.includes(Buffer.from('山田太郎'))).toBe(false);
  expect(await test_.database.asUser(user, (tx) => newKeys().cells.decrypt(tx, cellOf(user), sealed))).toBe('山田太郎');
});

test('another person’s transaction cannot get at the key', async () => {
  const [user, other] = [await newUser(), await newUser()];
  const sealed = await test_.database.asUser(user, (tx) => keys.cells.encrypt(tx, user, cellOf(user), 'x'));
  await expect(test_.database.asUser(other, (tx) => newKeys().cells.decrypt(tx, cellOf(user), sealed))).rejects.toThrow(
    /no_key/,
  );
});

test('X-Q3: shredding a user’s keys makes the cells unreadable here at once, elsewhere within the cache’s life', async () => {
  const user = await newUser();
  let nowMs = Date.now();
  const elsewhere = newKeys(() => nowMs);
  const sealed = await test_.database.asService((tx) => elsewhere.cells.encrypt(tx, user, cellOf(user), 'x'));
  expect(await test_.database.asService((tx) => keys.dataKeys.shred(tx, user))).toBe(1);
  await expect(test_.database.asService((tx) => keys.cells.decrypt(tx, cellOf(user), sealed))).rejects.toThrow(
    /no_key/,
  );
  nowMs += 60_001;
  await expect(test_.database.asService((tx) => elsewhere.cells.decrypt(tx, cellOf(user), sealed))).rejects.toThrow(
    /no_key/,
  );
  await expect(test_.database.asService((tx) => keys.cells.encrypt(tx, user, cellOf(user), 'x'))).rejects.toThrow(
    /no data key/,
  );
});

test('more users than the cache holds are served all the same', async () => {
  const users = await Promise.all([1, 2, 3, 4, 5].map(newUser));
  const sealed = await Promise.all(
    users.map((user) => test_.database.asService((tx) => keys.cells.encrypt(tx, user, cellOf(user), user))),
  );
  for (const [at, user] of users.entries()) {
    const cell = sealed[at] ?? Buffer.of();
    expect(await test_.database.asService((tx) => keys.cells.decrypt(tx, cellOf(user), cell))).toBe(user);
  }
});

test('a user has one active key, however many ask for the first at once', async () => {
  const user = await newUser();
  await Promise.all([1, 2, 3].map(() => test_.database.asService((tx) => keys.dataKeys.createFor(tx, user))));
  const rows = await test_.database.asService((tx) => tx.sql`select 1 from identity.data_keys where user_id = ${user}`);
  expect(rows).toHaveLength(1);
});

test('a server with foreign master keys says so at its start', async () => {
  const foreign = new ColumnKeys(new FixedMasterKeys(`other:${randomBytes(32).toString('base64')}`));
  await expect(foreign.prepare(test_.database)).rejects.toThrow(/"k1", which is not among the configured/);
  const forged = new ColumnKeys(new FixedMasterKeys(`k1:${randomBytes(32).toString('base64')}`));
  await expect(forged.prepare(test_.database)).rejects.toThrow(/not_authentic/);
});

test('hashes have every version, the newest first, and the same on every server', async () => {
  const before = await test_.database.asService((tx) => keys.hashKeys.hashesOf(tx, 'mail', 'a@example.com'));
  await test_.database.asService((tx) => keys.hashKeys.addVersion(tx));
  const after = await test_.database.asService((tx) => newKeys().hashKeys.hashesOf(tx, 'mail', 'a@example.com'));
  expect(after.map((entry) => entry.version)).toEqual([before[0].version + 1, before[0].version]);
  expect(after[1]?.hash.equals(before[0].hash)).toBe(true);
  expect(after[0].hash.equals(before[0].hash)).toBe(false);
});

test('the list of encrypted columns is the database’s', async () => {
  const owner = postgres(test_.ownerUrl, { max: 1 });
  try {
    const found = await owner<{ name: string }[]>`
      select table_schema || '.' || table_name || '.' || column_name as name from information_schema.columns
      where column_name like '%\\_enc' order by 1`;
    const listed = encryptedColumns.map(({ table, column }) => `${table}.${column}`).sort();
    expect(listed).toEqual(found.map((row) => row.name).sort());
  } finally {
    await owner.end();
  }
});
