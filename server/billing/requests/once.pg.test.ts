import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { AppError } from '../../errors.ts';
import { Accounts, getAccount } from '../ledger/accounts.ts';
import { Once } from './once.ts';
import { canonicalJson, digestOf } from './request-digest.ts';

let test_: TestDatabase;
let owner: postgres.Sql;
let once: Once;
beforeAll(async () => {
  test_ = await createTestDatabase();
  owner = postgres(test_.ownerUrl, { max: 1, onnotice: () => {} });
  const accounts = new Accounts();
  once = new Once(test_.database, {
    accountOf: async (tx, userId) => getAccount(await accounts.allOf(tx, [userId]), userId),
  });
});
afterAll(async () => {
  await owner.end();
  await test_.close();
});

const ask = (change: object = {}) => ({
  userId: randomUUID(),
  command: 'test.buy',
  key: 'k',
  request: { a: 1, b: [2] },
  ...change,
});
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'answered',
    (error: unknown) => (error instanceof AppError ? error.code : error),
  );

describe('in a transaction', () => {
  test('the same again gives the stored answer, whatever the order of its fields; another request is refused', async () => {
    const of = ask();
    let done = 0;
    const work = async () => ({ id: ++done, at: null });
    expect(await once.inTransaction(of, work)).toEqual({ answer: { id: 1, at: null }, repeated: false });
    const again = { ...of, request: { b: [2], a: 1, c: undefined } };
    expect(await once.inTransaction(again, work)).toEqual({ answer: { id: 1, at: null }, repeated: true });
    expect(await codeOf(once.inTransaction({ ...of, request: { a: 2, b: [2] } }, work))).toBe(
      'billing.idempotency_conflict',
    );
    expect(done).toBe(1);
    // Another person, another command and another key are another matter.
    for (const other of [{ userId: randomUUID() }, { command: 'test.sell' }, { key: 'l' }])
      expect(await once.inTransaction({ ...of, ...other }, work)).toMatchObject({ repeated: false });
    expect(await codeOf(once.inTransaction({ ...of, key: '' }, work))).toBe('protocol.invalid_body');
  });

  test('many at once do it once, and all get the answer', async () => {
    const of = ask();
    let done = 0;
    const answers = await Promise.all(Array.from({ length: 20 }, () => once.inTransaction(of, async () => ++done)));
    expect(answers.map(({ answer }) => answer)).toEqual(Array(20).fill(1));
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
  });

  test('what fails is not stored, and another try may succeed', async () => {
    const of = ask();
    await expect(once.inTransaction(of, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await once.inTransaction(of, async () => 'yes')).toEqual({ answer: 'yes', repeated: false });
  });
});

test('answers are kept for their time, then dropped', async () => {
  const of = ask();
  await once.inTransaction(of, async () => 1);
  await once.dropExpired();
  expect(await once.inTransaction(of, async () => 2)).toEqual({ answer: 1, repeated: true });
  await owner`update billing.idempotency_keys set expires_at = now() - interval '1 second'`;
  expect(await once.inTransaction(of, async () => 3)).toEqual({ answer: 3, repeated: false });
  expect(await once.dropExpired()).toBeGreaterThan(0);
  expect(await once.inTransaction(of, async () => 4)).toEqual({ answer: 3, repeated: true });
});

test('the digest says what JSON says, in any order of fields', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
      expect(JSON.parse(canonicalJson(one))).toEqual(JSON.parse(JSON.stringify(one)));
      const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
      expect(digestOf(one).equals(digestOf(other))).toBe(same);
    }),
  );
});
/** Told in another way: objects as lists of pairs in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value;
  const pairs = Object.entries(value).map(([name, field]) => [name, sorted(field)] as const);
  return { pairs: pairs.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
