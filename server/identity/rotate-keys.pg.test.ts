/** 000-R25: rotation of every kind of key while a server signs people up and in beside it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ColumnKeys } from '../../db/keys/column-keys.ts';
import { MasterKeyFile } from '../../db/keys/master-key-source.ts';
import { retireMasterKey, rotateKeys } from './rotate-keys.ts';
import type { IdentityService } from './service.ts';
import { createIdentityHarness, type IdentityHarness, origin, password } from './testing.ts';

let h: IdentityHarness;
let dir = '';
let server: IdentityService;
let file = '';
let ageMs = 0;
const lines: string[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsumugi-rotate-'));
  file = join(dir, 'master-keys');
  const source = new MasterKeyFile(file);
  source.createIfMissing();
  // Keys made two hours ago are what rotation looks for.
  ageMs = 7_200_000;
  const generous = { burst: 10_000, perSecond: 1_000 };
  h = await createIdentityHarness({
    keys: new ColumnKeys(source, { now: () => Date.now() - ageMs }),
    limits: { signUpPerAddress: generous, signInPerAddress: generous, failuresPerAccountAndNetwork: generous },
  });
  server = h.identity;
});
afterEach(async () => {
  await h.close();
  rmSync(dir, { recursive: true, force: true });
});

/** What the command has: a process of its own, with its own view of the file. */
function command() {
  const source = new MasterKeyFile(file);
  return { db: h.test.database, keys: new ColumnKeys(source), source, print: (line: string) => void lines.push(line) };
}
const counts = (sqlText: string) =>
  h.test.database.asService((tx) => tx.sql.unsafe<{ k: string; n: number }[]>(sqlText));

test('everything stays readable and findable while all keys change under a running server', async () => {
  const mails = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const email = h.newMail();
      await server.signUp({ email, password }, origin);
      return email;
    }),
  );
  ageMs = 0;
  let running = true;
  const served = { signIns: 0, signUps: 0 };
  const traffic = [0, 1, 2].map(async (worker) => {
    for (let turn = worker; running || turn < worker + 6; turn += 3) {
      const email = mails[turn % 12] ?? '';
      const issued = await server.signIn(email, password, origin);
      expect((await server.me(issued.userId)).email).toBe(email);
      served.signIns++;
      const fresh = h.newMail();
      await server.signUp({ email: fresh, password }, origin);
      await expect(server.signUp({ email: fresh, password }, origin)).rejects.toMatchObject({
        code: 'identity.email_taken',
      });
      mails.push(fresh);
      served.signUps++;
    }
  });
  await rotateKeys(command(), { hashes: true, data: true, batch: 3 });
  await rotateKeys(command(), { hashes: true, data: true, batch: 3 });
  running = false;
  await Promise.all(traffic);
  expect(served.signIns).toBeGreaterThan(6);

  for (const email of mails) {
    const issued = await server.signIn(email, password, origin);
    expect((await server.me(issued.userId)).email).toBe(email);
  }
  const fresh = await h.anotherGateway({ keys: new ColumnKeys(new MasterKeyFile(file)) });
  for (const email of mails) expect(await fresh.admin.findUserId(email)).toBeDefined();
});

test('leaves nothing under an old key, and the old master key can then be retired', async () => {
  const issued = await server.signUp({ email: 'a@example.com', password }, origin);
  const [oldId] = new ColumnKeys(new MasterKeyFile(file)).ring.ids;
  await rotateKeys(command(), { hashes: true, data: true });
  const newId = command().keys.ring.activeId;
  expect(newId).not.toBe(oldId);
  const wrapped = await counts(
    'select distinct master_key_id as k, 1 as n from identity.data_keys union select master_key_id, 1 from identity.hash_keys',
  );
  expect(wrapped.map((row) => row.k)).toEqual([newId]);
  expect(await counts('select version::text as k, 1 as n from identity.hash_keys')).toMatchObject([{ k: '2' }]);
  const [active] = await counts(
    `select id::text as k, 1 as n from identity.data_keys where user_id = '${issued.userId}' and retired_at is null`,
  );
  const [cell] = await counts(
    `select encode(substring(email_enc from 2 for 16), 'hex') as k, email_hash_version as n from identity.users`,
  );
  expect(cell).toMatchObject({ k: active?.k.replaceAll('-', ''), n: 2 });

  await expect(retireMasterKey(command(), newId)).rejects.toThrow(/active/);
  await retireMasterKey(command(), oldId ?? '');
  expect((await server.me(issued.userId)).email).toBe('a@example.com');
  const restarted = new ColumnKeys(new MasterKeyFile(file));
  await restarted.prepare(h.test.database);
});

test('that was broken off is finished before anything new begins', async () => {
  await Promise.all([1, 2, 3, 4].map(() => server.signUp({ email: h.newMail(), password }, origin)));
  let printed = 0;
  const broken = {
    ...command(),
    print: () => {
      if (++printed === 2) throw new Error('killed');
    },
  };
  await expect(rotateKeys(broken, { batch: 2 })).rejects.toThrow('killed');
  const half = await counts('select master_key_id as k, count(*)::int as n from identity.data_keys group by 1');
  expect(half).toHaveLength(2);
  await expect(
    retireMasterKey(command(), half.find((row) => row.k !== command().keys.ring.activeId)?.k ?? ''),
  ).rejects.toThrow(/rotate again/);
  const active = command().keys.ring.activeId;
  await rotateKeys(command(), { batch: 2 });
  expect(command().keys.ring.activeId).toBe(active);
  expect(
    await counts('select master_key_id as k, count(*)::int as n from identity.data_keys group by 1'),
  ).toMatchObject([{ k: active }]);
});

test('prints nothing secret', () => {
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/^[A-Za-z0-9 .:,]+$/);
  expect(lines.join()).not.toMatch(/[A-Za-z0-9+/]{40}/);
});
