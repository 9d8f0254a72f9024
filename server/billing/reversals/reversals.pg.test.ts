/** Operators correct the ledger: alone, by two, and never twice. Through the operators' interface, against a real database. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WorkerPool } from '../../../workers/pool.ts';
import { ManualClock } from '../../clock.ts';
import { isAppError } from '../../errors.ts';
import type { HttpRequest } from '../../http.ts';
import { networkOf } from '../../identity/addresses.ts';
import { createIdentityHarness, type IdentityHarness, origin, password } from '../../identity/testing.ts';
import { adminRoutes } from '../../ops/admin.ts';
import { billingAdminCalls } from '../admin.ts';
import type { LedgerRow } from '../inspection/admin-shapes.ts';
import { BillingService } from '../service.ts';
import type { Reversal } from './admin-shapes.ts';

const limitTokens = 1_000;
type Person = { token: string; userId: string };

let harness: IdentityHarness;
let pool: WorkerPool;
let billing: BillingService;
let clock: ManualClock;
let call: (who: Person, method: string, path: string, body?: unknown) => Promise<unknown>;
let [one, two, person]: Person[] = [];

beforeAll(async () => {
  harness = await createIdentityHarness();
  pool = new WorkerPool({ threads: 1, maxQueue: 100 });
  clock = new ManualClock(Date.now());
  const db = harness.test.database;
  billing = new BillingService(db, pool, clock, { signUpGrantTokens: 50_000 });
  await billing.start();
  const account = async (): Promise<Person> => {
    const { userId, accessToken } = await harness.identity.signUp({ email: harness.newMail(), password }, origin);
    await billing.ledger.settled(await db.asService((tx) => billing.grantSignUp(tx, userId)));
    return { userId, token: accessToken };
  };
  [one, two, person] = [await account(), await account(), await account()];
  for (const { userId } of [one, two]) await harness.identity.admin.grantRole(userId, 'admin', null);
  const never = { count: 0, list: () => [] };
  const routes = adminRoutes(
    {
      db,
      clock,
      authenticator: harness.identity.authenticator,
      accounts: harness.identity.admin,
      connections: { ...never, close: () => false },
      generations: never,
      networkOf,
      drain: () => undefined,
    },
    billingAdminCalls({ db, clock, ledger: billing.ledger, reversalLimitTokens: limitTokens }),
  );
  call = async (who, method, path, body) => {
    const [bare = '', query = ''] = path.split('?');
    for (const route of routes) {
      const match = new RegExp(`^${route.path.replace(':id', '([^/]+)')}$`).exec(bare);
      if (route.method !== method || match === null) continue;
      const request: HttpRequest = {
        method,
        path: bare,
        query: new URLSearchParams(query),
        headers: new Headers({ authorization: `Bearer ${who.token}` }),
        address: '203.0.113.5',
        body,
      } as unknown as HttpRequest;
      return (await route.handle(request, { id: match[1] ?? '' })).body;
    }
    throw new Error(`no route ${method} ${path}`);
  };
});
afterAll(async () => {
  await billing?.stop();
  await pool?.close();
  await harness?.close();
});

const who = (given: Person | undefined): Person => given as Person;
const code = (work: Promise<unknown>) =>
  work.then(() => 'done').catch((error: unknown) => (isAppError(error) ? error.code : String(error)));
const ask = (by: Person | undefined, entryId: string) =>
  call(who(by), 'POST', '/admin/ledger/reversals', {
    entryId,
    reasonCode: 'outage',
    reason: 'It broke off.',
  }) as Promise<Reversal>;
const decide = (by: Person | undefined, id: string, how: 'approve' | 'decline') =>
  call(who(by), 'POST', `/admin/ledger/reversals/${id}/${how}`) as Promise<Reversal>;

/** @returns the id of the entry that an answer made. */
async function answer(userId: string, tokens: number): Promise<string> {
  const db = harness.test.database;
  const generationId = randomUUID();
  await db.asService((tx) =>
    billing.hold(tx, { generationId, userId, promptTokens: 0, maxOutputTokens: tokens, minOutputTokens: tokens }),
  );
  const used = { tokensIn: 0, tokensOut: tokens, newConversation: false, atMs: Date.now() };
  const one = { generationId, userId, payeeUserId: null, conversationId: randomUUID(), messageId: null, ...used };
  await billing.booked(await db.asService((tx) => billing.settle(tx, [one])));
  const { entries } = (await call(who(two), 'GET', `/admin/ledger/entries?generationId=${generationId}`)) as {
    entries: LedgerRow[];
  };
  return entries[0]?.entryId ?? '';
}

const stateOf = async (userId: string) => {
  const { accounts } = (await call(who(two), 'GET', `/admin/ledger/accounts?userId=${userId}`)) as {
    accounts: { tokens: number; period: { usedTokens: number } }[];
  };
  return { tokens: accounts[0]?.tokens, used: accounts[0]?.period.usedTokens };
};
const report = () =>
  call(who(one), 'GET', '/admin/reconciliation') as Promise<{
    ok: boolean;
    checks: { name: string; differences: unknown[] }[];
  }>;

describe('taking an entry back', () => {
  test('below the limit one operator does it: tokens and the month are as before (000-Q2)', async () => {
    const before = await stateOf(who(person).userId);
    const entryId = await answer(who(person).userId, 400);
    expect(await stateOf(who(person).userId)).toEqual({
      tokens: (before.tokens ?? 0) - 400,
      used: (before.used ?? 0) + 400,
    });
    const reversal = await ask(one, entryId);
    expect(reversal).toMatchObject({
      state: 'approved',
      needsSecond: false,
      tokenAmount: 400,
      decidedBy: who(one).userId,
    });
    expect(reversal.booked).toMatchObject({ seq: expect.any(Number) });
    expect(await stateOf(who(person).userId)).toEqual(before);
    const { entries } = (await call(who(one), 'GET', `/admin/ledger/entries?entryId=${entryId}`)) as {
      entries: LedgerRow[];
    };
    expect(entries[0]?.reversedBy).not.toBeNull();
    expect(await code(ask(two, entryId))).toBe('billing.already_reversed');
    // Corrections of corrections are refused.
    expect(await code(ask(one, entries[0]?.reversedBy ?? ''))).toBe('billing.not_reversible');
    expect((await report()).ok).toBe(true);
  });

  test('above the limit another operator agrees, not the same one', async () => {
    const before = await stateOf(who(person).userId);
    const entryId = await answer(who(person).userId, limitTokens + 1);
    const asked = await ask(one, entryId);
    expect(asked).toMatchObject({ state: 'waiting', needsSecond: true, booked: null, decidedBy: null });
    expect(await stateOf(who(person).userId)).not.toEqual(before);
    expect(await code(decide(one, asked.reversalId, 'approve'))).toBe('billing.second_person_needed');
    expect(await code(ask(two, entryId))).toBe('billing.already_reversed');
    expect(await decide(two, asked.reversalId, 'approve')).toMatchObject({
      state: 'approved',
      decidedBy: who(two).userId,
    });
    expect(await stateOf(who(person).userId)).toEqual(before);
    expect(await code(decide(two, asked.reversalId, 'decline'))).toBe('billing.reversal_decided');
  });

  test('many small ones within a day count together', async () => {
    clock.advance(86_400_001);
    const entries = [];
    for (let i = 0; i < 3; i++) entries.push(await answer(who(person).userId, 400));
    const asked = [];
    for (const entryId of entries) asked.push(await ask(two, entryId));
    expect(asked.map(({ needsSecond }) => needsSecond)).toEqual([false, false, true]);
    // At once: still not both.
    clock.advance(86_400_001);
    const [a, b] = [await answer(who(person).userId, 600), await answer(who(person).userId, 600)];
    const both = await Promise.all([ask(two, a), ask(two, b)]);
    expect(both.map(({ needsSecond }) => needsSecond).sort()).toEqual([false, true]);
  });

  test('the same request with its key is done once, and answered as the first time', async () => {
    const entryId = await answer(who(person).userId, 5);
    const body = { entryId, reasonCode: 'outage', reason: 'It never came.', requestKey: randomUUID() };
    const [first, ...again] = await Promise.all(
      [1, 2, 3].map(() => call(who(two), 'POST', '/admin/ledger/reversals', body) as Promise<{ booked: unknown }>),
    );
    expect(first?.booked).toMatchObject({ seq: expect.any(Number) });
    expect(again).toEqual([first, first]);
    await expect(
      call(who(two), 'POST', '/admin/ledger/reversals', { ...body, reason: 'Another one.' }),
    ).rejects.toMatchObject({ code: 'billing.idempotency_conflict' });
  });

  test('nobody decides about his own account', async () => {
    clock.advance(86_400_001);
    const own = await answer(who(one).userId, 10);
    expect(await ask(one, own)).toMatchObject({ needsSecond: true, state: 'waiting' });
    const ofOther = await answer(who(two).userId, limitTokens + 1);
    const asked = await ask(one, ofOther);
    expect(await code(decide(two, asked.reversalId, 'approve'))).toBe('billing.second_person_needed');
  });

  test('what was declined may be asked for again; two who decide at once decide once', async () => {
    const entryId = await answer(who(person).userId, limitTokens + 5);
    const first = await ask(one, entryId);
    expect(await decide(one, first.reversalId, 'decline')).toMatchObject({ state: 'declined' });
    const second = await ask(one, entryId);
    const outcomes = await Promise.all([
      code(decide(two, second.reversalId, 'approve')),
      code(decide(two, second.reversalId, 'approve')),
      code(decide(two, second.reversalId, 'decline')),
    ]);
    expect(outcomes.filter((each) => each === 'done')).toHaveLength(1);
    expect((await report()).ok).toBe(true);
  });

  test('unknown entries and reversals, and what was bought, are refused', async () => {
    expect(await code(ask(one, randomUUID()))).toBe('billing.entry_not_found');
    expect(await code(decide(one, randomUUID(), 'approve'))).toBe('billing.reversal_not_found');
    expect(await code(decide(one, 'nonsense', 'approve'))).toBe('protocol.invalid_body');
    const db = harness.test.database;
    const [ref] = await db.asService(async (tx) => {
      const account = await billing.ledger.accountOf(tx, who(person).userId);
      return billing.ledger.enqueue(tx, [
        {
          fromAccount: billing.ledger.platformAccountFor(account),
          toAccount: account,
          asset: 'addon_token',
          tokenAmount: 5,
          purpose: 'addon_purchase',
          idempotencyKey: `test:${randomUUID()}`,
        },
      ]);
    });
    if (ref === undefined) throw new Error('nothing was enqueued');
    const [booked] = await billing.ledger.settled([ref]);
    expect(await code(ask(one, booked?.entryId ?? ''))).toBe('billing.not_reversible');
  });

  test('is for operators, and every step is entered', async () => {
    const entryId = await answer(who(person).userId, 1);
    expect(await code(ask(person, entryId))).toBe('identity.forbidden');
    const { events } = (await call(who(one), 'GET', '/admin/events?limit=500')) as {
      events: { action: string; outcome: string; adminUserId: string; details: Record<string, unknown> }[];
    };
    const entered = events.filter(({ action }) => action.startsWith('reversals.'));
    expect(entered).toContainEqual(
      expect.objectContaining({
        action: 'reversals.request',
        outcome: 'refused',
        adminUserId: who(person).userId,
      }),
    );
    for (const [action, outcome] of [
      ['reversals.request', 'done'],
      ['reversals.request', 'failed'],
      ['reversals.approve', 'done'],
      ['reversals.decline', 'done'],
    ])
      expect(entered.some((event) => event.action === action && event.outcome === outcome)).toBe(true);
    // The reason in words stays out of the journal.
    expect(JSON.stringify(entered)).not.toContain('It broke off.');
  });

  test('the table itself asks for two persons and keeps what was decided', async () => {
    const db = harness.test.database;
    const { reversals } = (await call(who(one), 'GET', '/admin/ledger/reversals?state=waiting&limit=1')) as {
      reversals: Reversal[];
    };
    const waiting = reversals[0];
    const force = (state: string, by: string) =>
      db.asService(
        (tx) => tx.sql`update billing.reversal_requests set state = ${state}, decided_by = ${by}, decided_at = now()
          where id = ${waiting?.reversalId ?? ''}`,
      );
    await expect(force('approved', waiting?.requestedBy ?? '')).rejects.toMatchObject({ code: '23514' });
    await force('declined', who(two).userId);
    await expect(force('approved', who(two).userId)).rejects.toMatchObject({ code: '23000' });
    await expect(db.asService((tx) => tx.sql`delete from billing.reversal_requests`)).rejects.toThrow();
    const seen = await db.asUser(who(person).userId, (tx) => tx.sql`select id from billing.reversal_requests`);
    expect(seen).toHaveLength(0);
  });
});

describe('the report', () => {
  test('names what differs', async () => {
    const owner = postgres(harness.test.ownerUrl, { max: 1 });
    const db = harness.test.database;
    await db.asService(async (tx) => {
      const account = await billing.ledger.accountOf(tx, who(person).userId);
      await owner`update billing.account_balances set balance = balance + 7 where account_id = ${account} and asset = 'token'`;
      await owner`update billing.spending set held_tokens = held_tokens + 3, used_tokens = used_tokens + 2 where account_id = ${account}`;
    });
    await owner.end();
    const found = await report();
    expect(found.ok).toBe(false);
    const wrong = found.checks.filter(({ differences }) => differences.length > 0).map(({ name }) => name);
    expect(wrong).toEqual(['zero_sums', 'balances', 'held', 'used']);
  });
});
