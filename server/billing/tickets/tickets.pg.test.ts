/** Tickets against a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tx } from '../../../db/client.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { isAppError } from '../../errors.ts';
import { Tickets } from './tickets.ts';

let db: TestDatabase;
let tickets: Tickets;
beforeAll(async () => {
  db = await createTestDatabase();
  tickets = new Tickets(db.database);
});
afterAll(() => db.close());

const service = <T>(work: (tx: Tx) => Promise<T>) => db.database.asService(work);
async function newUser(): Promise<string> {
  const userId = randomUUID();
  await service((tx) => tx.sql`insert into identity.users (id) values (${userId})`);
  return userId;
}
const grant = (userId: string, amount: number, key: string) =>
  service((tx) => tickets.grant(tx, { userId, amount, key, reason: 'a present' }));
const consume = (userId: string, amount: number, key: string, id = 'e1') =>
  service((tx) => tickets.consume(tx, { userId, amount, key, target: { type: 'event', id } }));
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  );

describe('spending', () => {
  test('001-R27: is a transaction with what it was for; the balance is their sum (001-R26)', async () => {
    const userId = await newUser();
    expect(await grant(userId, 3, 'gift')).toBe(3);
    expect(await consume(userId, 2, 'use')).toBe(1);
    const page = await tickets.page(userId, undefined, 1);
    expect(page).toMatchObject({
      balance: 1,
      rows: [{ type: 'consume', amount: -2, target: { type: 'event', id: 'e1' } }],
      nextBefore: expect.any(String),
    });
    expect(await tickets.page(userId, page.nextBefore ?? undefined, 1)).toMatchObject({
      rows: [{ type: 'grant', amount: 3, reason: 'a present' }],
      nextBefore: null,
    });
  });

  test('the same key spends once; for something else it is refused', async () => {
    const userId = await newUser();
    await grant(userId, 5, 'gift');
    expect(await consume(userId, 2, 'use')).toBe(3);
    expect(await consume(userId, 2, 'use')).toBe(3);
    expect(await codeOf(consume(userId, 3, 'use'))).toBe('billing.idempotency_conflict');
    expect(await codeOf(consume(userId, 2, 'use', 'e2'))).toBe('billing.idempotency_conflict');
    expect(await codeOf(grant(userId, 2, 'use'))).toBe('billing.idempotency_conflict');
    const other = await newUser();
    await grant(other, 2, 'gift');
    expect(await consume(other, 2, 'use')).toBe(0);
  });

  test('001-R63: fifty at once with ten tickets are ten', async () => {
    const userId = await newUser();
    await grant(userId, 10, 'gift');
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, place) => codeOf(consume(userId, 1, `use-${place}`))),
    );
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === 'billing.insufficient_tickets')).toHaveLength(40);
    expect((await tickets.page(userId, undefined, 1)).balance).toBe(0);
  });

  test('what is rolled back is not spent', async () => {
    const userId = await newUser();
    await grant(userId, 1, 'gift');
    const failed = service(async (tx) => {
      await tickets.consume(tx, { userId, amount: 1, key: 'use', target: { type: 'event', id: 'e1' } });
      throw new Error('the scene could not begin');
    });
    await expect(failed).rejects.toThrow('could not begin');
    expect(await consume(userId, 1, 'use')).toBe(0);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 60])('of %d tickets is a mistake of the program', async (amount) => {
    const userId = await newUser();
    await expect(consume(userId, amount, 'use')).rejects.toThrow(RangeError);
  });
});

test('any sequence of gifts and spending agrees with a simple account of it', async () => {
  const one = fc.record({
    amount: fc.integer({ min: 1, max: 5 }),
    key: fc.integer({ min: 0, max: 5 }).map((number) => `k${number}`),
    spend: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(one, { maxLength: 15 }), async (moves) => {
      const userId = await newUser();
      const seen = new Map<string, string>();
      let balance = 0;
      for (const { amount, key, spend } of moves) {
        const what = `${spend ? '-' : '+'}${amount}`;
        const known = seen.get(key);
        const outcome = await codeOf(spend ? consume(userId, amount, key) : grant(userId, amount, key));
        if (known !== undefined) expect(outcome).toBe(known === what ? 'done' : 'billing.idempotency_conflict');
        else if (spend && balance < amount) expect(outcome).toBe('billing.insufficient_tickets');
        else {
          expect(outcome).toBe('done');
          balance += spend ? -amount : amount;
          seen.set(key, what);
        }
      }
      expect((await tickets.page(userId, undefined, 1)).balance).toBe(balance);
    }),
    { numRuns: 20 },
  );
  expect(await tickets.verify()).toEqual([]);
});

describe('the truth', () => {
  test('transactions are never changed, not by the superuser either', async () => {
    const userId = await newUser();
    await grant(userId, 1, 'gift');
    const sql = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
    try {
      await expect(sql`update billing.ticket_transactions set amount = 100`).rejects.toThrow('append-only');
      await expect(sql`delete from billing.ticket_transactions`).rejects.toThrow('append-only');
      await expect(sql`truncate billing.ticket_transactions`).rejects.toThrow('append-only');
    } finally {
      await sql.end();
    }
  });

  test('a balance that is not their sum is found (001-R26)', async () => {
    const userId = await newUser();
    await grant(userId, 4, 'gift');
    await service((tx) => tx.sql`update billing.user_ticket_balances set balance = 9 where user_id = ${userId}`);
    expect(await tickets.verify()).toEqual([{ userId, stored: 9, transactions: 4 }]);
    await service((tx) => tx.sql`update billing.user_ticket_balances set balance = 4 where user_id = ${userId}`);
  });
});
