/** Settlement, grants, usage and reading against a real PostgreSQL and real worker threads. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bookPending } from '../../db/billing/ledger/booking.ts';
import { takeFreeShards } from '../../db/billing/ledger/leases.ts';
import { listPending } from '../../db/billing/ledger/pending.ts';
import type { Database } from '../../db/client.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import { PostgresLiveStore } from '../../db/live/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { HASH_VERSION, hashEntries } from '../../workers/billing/hash-entries.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { ManualClock, systemClock } from '../clock.ts';
import { isAppError } from '../errors.ts';
import { BillingService, type Settlement } from './service.ts';

let test_: TestDatabase;
let pool: WorkerPool;
let db: Database;
const clock = new ManualClock();
const GRANT = 10_000;

beforeAll(async () => {
  test_ = await createTestDatabase();
  db = test_.database;
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
});
afterAll(async () => {
  await pool.close();
  await test_.close();
});

let running: BillingService | undefined;
/** One gateway at a time: the one before leaves its chains to the new one. */
async function open(mode: 'metered' | 'free' = 'metered', signUpGrantTokens = GRANT): Promise<BillingService> {
  await running?.stop();
  running = new BillingService(db, pool, clock, { signUpGrantTokens, mode });
  return running;
}
/** One of several at a time. */
async function join(live: LiveStore): Promise<BillingService> {
  const gateway = new BillingService(db, pool, systemClock, { signUpGrantTokens: GRANT, mode: 'free' }, { news: live });
  await gateway.start();
  return gateway;
}
function settlement(userId: string, change: Partial<Settlement> = {}): Settlement {
  return {
    generationId: randomUUID(),
    userId,
    payeeUserId: null,
    conversationId: randomUUID(),
    messageId: randomUUID(),
    tokensIn: 30,
    tokensOut: 12,
    newConversation: false,
    atMs: clock.now(),
    ...change,
  };
}
const settle = async (billing: BillingService, ...settlements: Settlement[]) =>
  billing.booked(await db.asService((tx) => billing.settle(tx, settlements)));
const grant = async (billing: BillingService, userId: string) =>
  billing.ledger.settled(await db.asService((tx) => billing.grantSignUp(tx, userId)));
async function signUp(billing: BillingService): Promise<string> {
  const userId = randomUUID();
  await grant(billing, userId);
  return userId;
}

describe('settle', () => {
  test('one that is booked while it is asked for is told once', async () => {
    const billing = await open('free');
    const one = settlement(randomUUID());
    const ask = () => db.asService((tx) => billing.settle(tx, [one]));
    await ask();
    const owner = postgres(test_.ownerUrl, { max: 2, onnotice: () => {} });
    const again = await owner.begin(async (sql) => {
      await sql`lock table billing.token_ledger in access exclusive mode`;
      const asking = ask();
      // Seen in the outbox, and not looked for in the ledger yet.
      const waiting = () =>
        owner`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await expect.poll(async () => (await waiting()).length).toBe(1);
      const tx = { sql, orm: undefined as never };
      const heads = await takeFreeShards(tx, 'a test', 1, 8);
      const drafts = await listPending(
        tx,
        heads.map(({ shard }) => shard),
        0,
        10,
      );
      await bookPending(tx, heads, hashEntries(heads, drafts), HASH_VERSION);
      return { asking };
    });
    const [charge] = await again.asking;
    expect(charge?.refs).toMatchObject([
      { idempotencyKey: `generation:${one.generationId}`, booked: { seq: expect.any(Number) } },
    ]);
    await owner.end();
  });

  test('000-R13: moves the tokens of an answer from the talker to the owner of the avatar', async () => {
    const billing = await open();
    const [talker, owner] = [await signUp(billing), await signUp(billing)];
    const one = settlement(talker, { payeeUserId: owner });
    const [settled] = await settle(billing, one);
    expect(settled).toEqual({
      generationId: one.generationId,
      entry: { shard: expect.any(Number), seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      balance: GRANT - 42,
    });
    expect(await billing.balance(talker)).toBe(GRANT - 42);
    expect(await billing.balance(owner)).toBe(GRANT + 42);

    const [paid, granted] = (await billing.listLedger(talker, undefined, 10)).entries;
    expect(paid).toEqual({
      ...settled?.entry,
      prevHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      direction: 'out',
      asset: 'token',
      tokenAmount: 42,
      purpose: 'generation',
      status: 'settled',
      conversationId: one.conversationId,
      messageId: one.messageId,
      createdAt: expect.stringMatching(/^20\d\d-.*Z$/),
    });
    expect(granted).toMatchObject({ direction: 'in', purpose: 'sign_up_grant', tokenAmount: GRANT });
    expect((await billing.listLedger(owner, undefined, 1)).entries).toMatchObject([
      { direction: 'in', hash: paid?.hash },
    ]);
  });

  test('who talks with his own avatar pays the platform', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    const [settled] = await settle(billing, settlement(userId, { payeeUserId: userId }));
    expect(settled?.balance).toBe(GRANT - 42);
  });

  test('one generation is paid once: again gives the first entry, in the same call too', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    const one = settlement(userId, { newConversation: true });
    const [first, twin] = await settle(billing, one, { ...one, tokensOut: 500 });
    const [again] = await settle(await open(), { ...one, tokensOut: 999 });
    expect(twin).toEqual(first);
    expect(again).toEqual(first);
    expect(await billing.usage(userId, 1)).toMatchObject({ days: [{ tokensIn: 30, tokensOut: 12, conversations: 1 }] });
  });

  test('an answer without tokens makes no entry and tells the balance', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    const [none, some] = await settle(
      billing,
      settlement(userId, { tokensIn: 0, tokensOut: 0 }),
      settlement(userId, { tokensIn: 0, tokensOut: 1 }),
    );
    expect(none).toMatchObject({ entry: undefined, balance: GRANT - 1 });
    expect(some).toMatchObject({ entry: { seq: expect.any(Number) }, balance: GRANT - 1 });
    const stranger = randomUUID();
    expect(await settle(billing, settlement(stranger, { tokensIn: 0, tokensOut: 0 }))).toMatchObject([{ balance: 0 }]);
    expect(await settle(billing)).toEqual([]);
  });

  test('what is rolled back leaves nothing, not even in memory', async () => {
    const billing = await open('free');
    const userId = randomUUID();
    const one = settlement(userId);
    const failed = db.asService(async (tx) => {
      await billing.settle(tx, [one]);
      throw new Error('the message could not be stored');
    });
    await expect(failed).rejects.toThrow('could not be stored');
    expect(await billing.balance(userId)).toBe(0);
    expect(await settle(billing, one)).toMatchObject([{ balance: -42 }]);
  });

  test('many writers at once: no deadlock, nothing lost, sums are zero, the chains verify', async () => {
    await running?.stop();
    const live = new PostgresLiveStore(test_.url);
    const gateways = [await join(live), await join(live), await join(live)];
    const [first] = gateways as [BillingService];
    const users = await Promise.all(Array.from({ length: 12 }, () => signUp(first)));
    const pick = (index: number) => users[index % users.length] ?? '';
    // Every batch touches many users in another order; some users are new to two gateways at the same time.
    const fresh = [randomUUID(), randomUUID()];
    const batches = Array.from({ length: 40 }, (_, batch) =>
      Array.from({ length: 10 }, (_, index) =>
        settlement(index === 9 ? (fresh[batch % 2] ?? '') : pick(batch * 7 + index * 5), {
          payeeUserId: index % 3 === 0 ? null : pick(batch + index),
          tokensIn: batch,
          tokensOut: index + 1,
          atMs: Date.now(),
        }),
      ),
    );
    // Each batch is settled by two gateways, as after a take-over.
    const runs = batches.flatMap((batch, index) =>
      [0, 1].map((offset) => {
        const gateway = gateways[(index + offset) % gateways.length];
        return settle(gateway ?? first, ...(offset ? batch.toReversed() : batch));
      }),
    );
    const results = await Promise.all(runs);
    expect(results.flat().every(({ entry }) => entry !== undefined)).toBe(true);
    const places = new Set(results.flat().map(({ entry }) => `${entry?.shard}:${entry?.seq}`));
    expect(places.size).toBe(400);

    const spent = batches.flat().reduce((sum, { tokensIn, tokensOut }) => sum + tokensIn + tokensOut, 0);
    const counted = await Promise.all([...users, ...fresh].map((userId) => first.usage(userId, 1)));
    const used = counted.flatMap(({ days }) => days).reduce((sum, day) => sum + day.tokensIn + day.tokensOut, 0);
    expect(used).toBe(spent);
    const [sums] = await db.asService((tx) => tx.sql`select sum(balance)::int as total from billing.account_balances`);
    expect(sums?.['total']).toBe(0);
    expect(await first.verifyChain()).toMatchObject({ ok: true, problems: [] });
    for (const gateway of gateways) await gateway.stop();
    await live.close();
  });
});

describe('grant at sign-up', () => {
  test('once a user, whoever asks again', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    await Promise.all(Array.from({ length: 5 }, () => grant(billing, userId)));
    expect(await billing.balance(userId)).toBe(GRANT);
    await grant(billing, randomUUID());
  });

  test('of zero makes no entry', async () => {
    const billing = await open('metered', 0);
    const userId = randomUUID();
    await grant(billing, userId);
    expect(await billing.listLedger(userId, undefined, 10)).toEqual({ entries: [], nextBefore: null });
  });
});

describe('reading', () => {
  test('000-R14: usage by day in UTC, newest first, within the days asked for', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    const day = 86_400_000;
    const at = (daysAgo: number) => clock.now() - daysAgo * day;
    await settle(
      billing,
      settlement(userId, { atMs: at(0), newConversation: true }),
      settlement(userId, { atMs: at(0) }),
    );
    await settle(billing, settlement(userId, { atMs: at(2) }), settlement(userId, { atMs: at(40) }));
    const usage = await billing.usage(userId, 3);
    expect(usage).toEqual({
      days: [
        { day: '2026-01-01', tokensIn: 60, tokensOut: 24, conversations: 1 },
        { day: '2025-12-30', tokensIn: 30, tokensOut: 12, conversations: 0 },
      ],
      balance: GRANT - 4 * 42,
    });
    expect((await billing.usage(userId, 2)).days).toHaveLength(1);
    expect((await billing.usage(userId, 366)).days).toHaveLength(3);
  });

  test('the ledger in pages: every entry once, newest first', async () => {
    const billing = await open();
    const userId = await signUp(billing);
    for (let turn = 0; turn < 6; turn++) {
      clock.advance(1);
      await settle(billing, settlement(userId, { tokensIn: turn }));
    }
    const seen: number[] = [];
    let before: string | undefined;
    do {
      const page = await billing.listLedger(userId, before, 3);
      expect(page.entries.length).toBeLessThanOrEqual(3);
      seen.push(...page.entries.map((entry) => entry.tokenAmount));
      before = page.nextBefore ?? undefined;
    } while (before !== undefined);
    expect(seen).toEqual([17, 16, 15, 14, 13, 12, GRANT]);
    const bad = await billing.listLedger(userId, "x' or true", 3).catch((error: unknown) => error);
    expect(isAppError(bad, 'protocol.invalid_body')).toBe(true);
  });
});
