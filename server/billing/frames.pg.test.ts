/** The commands of billing, as the gateway calls them: every reply has the form that the protocol promises. */
import { randomUUID } from 'node:crypto';
import { Check } from 'typebox/value';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { balance, ledger, spending, usage } from '../../protocol/billing.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { systemClock } from '../clock.ts';
import type { Caller } from '../peer.ts';
import { billingFrames } from './frames.ts';
import { BillingService } from './service.ts';

let database: TestDatabase;
let pool: WorkerPool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new WorkerPool({ threads: 1, maxQueue: 10 });
});
afterAll(async () => {
  await pool.close();
  await database.close();
});

test('replies match their schemas, with and without options', async () => {
  const billing = new BillingService(database.database, pool, systemClock, { signUpGrantTokens: 500 });
  const frames = billingFrames(billing);
  const userId = randomUUID();
  const caller = { userId, sessionId: randomUUID(), peer: undefined as never } satisfies Caller;
  const db = database.database;
  await billing.ledger.settled(await db.asService((tx) => billing.grantSignUp(tx, userId)));
  const [conversationId, generationId] = [randomUUID(), randomUUID()];
  const used = { tokensIn: 3, tokensOut: 4, newConversation: true, atMs: Date.now() };
  const one = { generationId, userId, payeeUserId: null, conversationId, messageId: null, ...used };
  await billing.booked(await db.asService((tx) => billing.settle(tx, [one])));

  const balanceReply = await frames['billing.balance'](caller, {});
  expect(balanceReply).toEqual({ balance: 493 });
  expect(Check(balance.reply, balanceReply)).toBe(true);
  const spendingReply = await frames['billing.spending'](caller, {});
  expect(Check(spending.reply, spendingReply)).toBe(true);
  expect(spendingReply).toMatchObject({
    tokens: 493,
    boughtTokens: 0,
    heldTokens: 0,
    month: { usedTokens: 7, capTokens: null },
  });
  // A month that is over has a next one, in which nothing is used.
  await db.asService(
    (tx) =>
      tx.sql`update billing.spending set period_start = period_start - interval '60 days', period_end = period_end - interval '60 days'`,
  );
  const next = await frames['billing.spending'](caller, {});
  expect(next).toMatchObject({ month: { usedTokens: 0 } });
  expect(Date.parse(next.month?.end ?? '')).toBeGreaterThan(Date.now());
  const stranger = { ...caller, userId: randomUUID() };
  expect(await frames['billing.spending'](stranger, {})).toMatchObject({ tokens: 0, month: null });
  for (const body of [{}, { days: 1 }, { days: 366 }]) {
    const reply = await frames['billing.usage'](caller, body);
    expect(Check(usage.reply, reply)).toBe(true);
    expect(reply.days).toMatchObject([{ tokensIn: 3, tokensOut: 4, conversations: 1 }]);
  }
  const whole = await frames['billing.ledger'](caller, {});
  expect(Check(ledger.reply, whole)).toBe(true);
  expect(whole).toMatchObject({ entries: [{}, {}], nextBefore: null });
  const first = await frames['billing.ledger'](caller, { limit: 1 });
  const second = await frames['billing.ledger'](caller, { limit: 1, before: first.nextBefore ?? '' });
  expect([...first.entries, ...second.entries]).toEqual(whole.entries);
});
