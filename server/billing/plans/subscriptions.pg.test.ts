/** Paid plans: every order of what the provider tells ends the same; greater plans at once, smaller ones and the end with the period. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOfUser } from '../../../db/billing/plans/subscriptions.ts';
import type { SubscriptionFacts } from '../purchases/subscription-gateway.ts';
import { createPlanHarness, factsOf, type PlanHarness } from './testing.ts';

let plans: PlanHarness;
beforeAll(async () => {
  plans = await createPlanHarness();
});
afterAll(() => plans.close());

const [PRO, BUSINESS] = [3_000_000, 15_000_000];
const DAY_MS = 86_400_000;
const SIGNED_UP = '2026-01-05T00:00:00.000Z';
const march = { start: '2026-03-10T00:00:00.000Z', end: '2026-04-10T00:00:00.000Z' };
const april = { start: '2026-04-10T00:00:00.000Z', end: '2026-05-10T00:00:00.000Z' };

let looks = 0;
/** Looks are numbered by the database's clock; here each one is later than the one before, or as said. */
const apply = (userId: string, facts: SubscriptionFacts, at: string, look = ++looks) => {
  plans.facts.set(facts.subscriptionId, facts);
  return plans.subscriptions.applyProviderState(
    userId,
    facts,
    new Date(Date.UTC(2026, 0, 1) + look * 1000),
    new Date(at),
  );
};
const settle = async (userId: string, at: string) =>
  (await plans.db.asService((tx) => plans.periods.settle(tx, userId, new Date(at)))).plan;
/** On the free plan, in its first month, which grants nothing. */
async function newPerson(): Promise<string> {
  const userId = await plans.newUser(SIGNED_UP);
  await plans.db.asService((tx) => tx.sql`update billing.plans set monthly_tokens = 0 where code = 'free'`);
  return userId;
}

describe('what the provider tells', () => {
  test('000-R4: a subscription gives its plan, its months and its tokens, once', async () => {
    const userId = await newPerson();
    const facts = factsOf(march);
    for (let again = 0; again < 3; again++) await apply(userId, facts, '2026-03-10T00:01:00.000Z');
    expect(await settle(userId, '2026-03-20T00:00:00.000Z')).toMatchObject({
      planCode: 'pro',
      avatarLimit: 30,
      periodStart: new Date(march.start),
      periodEnd: new Date(march.end),
    });
    expect(await plans.tokens(userId)).toBe(PRO);
    await apply(
      userId,
      { ...facts, periodStartMs: Date.parse(april.start), periodEndMs: Date.parse(april.end) },
      '2026-04-10T00:00:30.000Z',
    );
    expect(await settle(userId, '2026-04-11T00:00:00.000Z')).toMatchObject({ periodEnd: new Date(april.end) });
    expect(await plans.tokens(userId)).toBe(2 * PRO);
  });

  test('a provider whose clock is ahead of ours grants one month, not the one before as well', async () => {
    const userId = await newPerson();
    await apply(userId, factsOf(march), '2026-03-09T23:59:58.000Z');
    expect(await settle(userId, '2026-03-10T00:00:01.000Z')).toMatchObject({
      planCode: 'pro',
      periodStart: new Date(march.start),
      periodEnd: new Date(march.end),
    });
    expect(await plans.tokens(userId)).toBe(PRO);
  });

  test('looks may be applied in any order and as often as one likes: the latest one stays', async () => {
    const base = factsOf(march);
    const history: SubscriptionFacts[] = [
      { ...base, status: 'incomplete' },
      base,
      { ...base, product: { type: 'plan', id: 'business' } },
      { ...base, product: { type: 'plan', id: 'business' }, cancelAtPeriodEnd: true },
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 }), async (order) => {
        const userId = await newPerson();
        const subscriptionId = factsOf(march).subscriptionId;
        for (const index of [...order, 3, ...order]) {
          const facts = history[index] ?? base;
          await apply(userId, { ...facts, subscriptionId }, '2026-03-11T00:00:00.000Z', 1_000_000 + index);
        }
        const [row] = await plans.db.asService((tx) => listOfUser(tx, userId, 5));
        expect(row).toMatchObject({ planCode: 'business', cancelAtPeriodEnd: true, status: 'active' });
        expect(await plans.tokens(userId)).toBe(BUSINESS);
      }),
      { numRuns: 15 },
    );
  });

  test('no grant before the money is there; the plan stays while the provider tries again', async () => {
    const userId = await newPerson();
    const facts = factsOf(march);
    await apply(userId, facts, '2026-03-10T00:01:00.000Z');
    const renewed = { ...facts, periodStartMs: Date.parse(april.start), periodEndMs: Date.parse(april.end) };
    await apply(userId, { ...renewed, status: 'past_due' }, '2026-04-10T00:01:00.000Z');
    expect(await settle(userId, '2026-04-12T00:00:00.000Z')).toMatchObject({ planCode: 'pro' });
    expect(await plans.tokens(userId)).toBe(PRO);
    await apply(userId, renewed, '2026-04-13T00:00:00.000Z');
    expect(await plans.tokens(userId)).toBe(2 * PRO);
    await apply(userId, { ...renewed, status: 'unpaid' }, '2026-04-14T00:00:00.000Z');
    expect(await settle(userId, '2026-04-14T00:00:00.000Z')).toMatchObject({ planCode: 'free', subscriptionId: null });
  });

  test('a greater plan whose difference was never paid does not begin with the next period either, until that is paid', async () => {
    const userId = await newPerson();
    const facts = factsOf(march);
    await apply(userId, facts, '2026-03-10T00:01:00.000Z');
    const unpaid = { ...facts, product: { type: 'plan', id: 'business' }, status: 'past_due' } as const;
    await apply(userId, unpaid, '2026-03-20T00:00:00.000Z');
    const next = { ...unpaid, periodStartMs: Date.parse(april.start), periodEndMs: Date.parse(april.end) };
    await apply(userId, next, '2026-04-10T00:01:00.000Z');
    expect(await settle(userId, '2026-04-12T00:00:00.000Z')).toMatchObject({ planCode: 'pro', avatarLimit: 30 });
    expect(await plans.tokens(userId)).toBe(PRO);
    await apply(userId, { ...next, status: 'active' }, '2026-04-13T00:00:00.000Z');
    expect(await settle(userId, '2026-04-13T00:00:00.000Z')).toMatchObject({ planCode: 'business' });
    expect(await plans.tokens(userId)).toBe(PRO + BUSINESS);
  });

  test('a period that nothing is heard of counts on for three days, and then not any more', async () => {
    const userId = await newPerson();
    await apply(userId, factsOf(march), '2026-03-10T00:01:00.000Z');
    expect(await settle(userId, '2026-04-12T23:59:59.000Z')).toMatchObject({
      planCode: 'pro',
      periodEnd: new Date(march.end),
    });
    expect(await settle(userId, '2026-04-13T00:00:00.000Z')).toMatchObject({ planCode: 'free' });
    expect(await plans.tokens(userId)).toBe(PRO);
  });

  test('the 31st comes back after a shorter month, and a year has twelve grants', async () => {
    const userId = await newPerson();
    const facts = factsOf({ start: '2026-01-31T08:00:00.000Z', end: '2026-02-28T08:00:00.000Z' });
    await apply(userId, facts, '2026-01-31T09:00:00.000Z');
    await apply(
      userId,
      { ...facts, periodStartMs: Date.parse('2026-02-28T08:00:00Z'), periodEndMs: Date.parse('2026-03-31T08:00:00Z') },
      '2026-03-01T00:00:00.000Z',
    );
    expect(await settle(userId, '2026-03-30T00:00:00.000Z')).toMatchObject({
      periodEnd: new Date('2026-03-31T08:00:00.000Z'),
    });
    const yearly = await newPerson();
    await apply(
      yearly,
      factsOf({ start: '2026-01-31T08:00:00.000Z', end: '2027-01-31T08:00:00.000Z' }),
      '2026-01-31T09:00:00.000Z',
    );
    await settle(yearly, '2027-01-31T07:59:59.000Z');
    expect(await plans.tokens(yearly)).toBe(12 * PRO);
  });

  test('a second subscription beside a living one gives nothing and is ended', async () => {
    const userId = await newPerson();
    await apply(userId, factsOf(march), '2026-03-10T00:01:00.000Z');
    const second = factsOf({ ...march, plan: 'business' });
    await apply(userId, second, '2026-03-10T00:02:00.000Z');
    expect(plans.asked).toContain(`end ${second.subscriptionId}`);
    expect(await settle(userId, '2026-03-10T00:03:00.000Z')).toMatchObject({ planCode: 'pro' });
    expect(await plans.tokens(userId)).toBe(PRO);
    const rows = await plans.db.asService((tx) => listOfUser(tx, userId, 5));
    expect(rows.map(({ duplicate, status }) => [duplicate, status]).sort()).toEqual([
      [false, 'active'],
      [true, 'canceled'],
    ]);
  });

  test('of a person who is deleted is ended, whether it was known before or not', async () => {
    const [known, late] = [await newPerson(), await newPerson()];
    const [first, second] = [factsOf(march), factsOf(march)];
    await apply(known, first, '2026-03-10T00:01:00.000Z');
    await plans.db.asService(
      (tx) =>
        tx.sql`update identity.users set status = 'deleted', deleted_at = now() where id = any(${[known, late]}::uuid[])`,
    );
    await apply(late, second, '2026-03-10T00:02:00.000Z');
    await plans.subscriptions.lookAfter();
    for (const [userId, { subscriptionId }] of [
      [known, first],
      [late, second],
    ] as const) {
      expect(plans.asked).toContain(`end ${subscriptionId}`);
      expect(await plans.db.asService((tx) => listOfUser(tx, userId, 5))).toMatchObject([{ status: 'canceled' }]);
    }
    expect(await plans.tokens(late)).toBe(0);
  });

  test('a subscription of somebody else, or about what is no plan, changes nothing', async () => {
    const [userId, other] = [await newPerson(), await newPerson()];
    const facts = factsOf(march);
    await apply(userId, facts, '2026-03-10T00:01:00.000Z');
    await apply(other, facts, '2026-03-10T00:02:00.000Z');
    await apply(other, factsOf({ ...march, plan: 'never_offered' }), '2026-03-10T00:02:00.000Z');
    expect(await settle(other, '2026-03-10T00:03:00.000Z')).toMatchObject({ planCode: 'free' });
    expect(await plans.db.asService((tx) => listOfUser(tx, other, 5))).toEqual([]);
  });

  test('two gateways that hear of it at the same moment grant once', async () => {
    const other = await plans.anotherGateway();
    const userId = await newPerson();
    const facts = factsOf(march);
    const seenAt = new Date('2026-03-10T00:00:00.000Z');
    await Promise.all(
      [plans, other, plans, other].map(({ subscriptions }) =>
        subscriptions.applyProviderState(userId, facts, seenAt, new Date('2026-03-10T00:01:00.000Z')),
      ),
    );
    expect(await plans.tokens(userId)).toBe(PRO);
  });
});

describe('what a person asks for', () => {
  /** With a period that is running by the real clock. */
  async function subscribed(plan = 'pro'): Promise<{ userId: string; facts: SubscriptionFacts }> {
    const userId = await newPerson();
    const start = new Date(Math.floor(Date.now() / 1000) * 1000 - 5 * DAY_MS).toISOString();
    const end = new Date(Date.parse(start) + 30 * DAY_MS).toISOString();
    const facts = factsOf({ plan, start, end });
    plans.facts.set(facts.subscriptionId, facts);
    await plans.subscriptions.applyProviderState(userId, facts, new Date());
    plans.asked.length = 0;
    return { userId, facts };
  }

  test('a greater plan begins at once and adds what is missing of its tokens, and no more by going back and forth', async () => {
    const { userId } = await subscribed();
    expect(await plans.service.changePlan(userId, 'business')).toMatchObject({
      planId: 'business',
      scheduled: null,
      avatarLimit: 50,
    });
    expect(await plans.tokens(userId)).toBe(BUSINESS);
    expect(await plans.service.changePlan(userId, 'pro')).toMatchObject({
      planId: 'business',
      scheduled: { planId: 'pro' },
    });
    expect(await plans.service.changePlan(userId, 'business')).toMatchObject({ planId: 'business', scheduled: null });
    expect(plans.asked).toEqual(['change business now', 'change pro period_end', 'change business period_end']);
    expect(await plans.tokens(userId)).toBe(BUSINESS);
  });

  test('a smaller plan follows with the next period, without cutting this one', async () => {
    const { userId, facts } = await subscribed('business');
    expect(await plans.service.changePlan(userId, 'pro')).toMatchObject({
      planId: 'business',
      avatarLimit: 50,
      scheduled: { planId: 'pro' },
    });
    const now = plans.facts.get(facts.subscriptionId) ?? facts;
    const renewed = {
      ...now,
      product: now.nextProduct,
      nextProduct: null,
      periodStartMs: facts.periodEndMs,
      periodEndMs: facts.periodEndMs + 31 * DAY_MS,
    };
    const at = new Date(facts.periodEndMs + 60_000);
    await plans.subscriptions.applyProviderState(userId, renewed, new Date(Date.now() + 60_000), at);
    expect(await settle(userId, at.toISOString())).toMatchObject({ planCode: 'pro', avatarLimit: 30 });
    expect(await plans.tokens(userId)).toBe(BUSINESS + PRO);
  });

  test('an end comes with the period and can be taken back', async () => {
    const { userId, facts } = await subscribed();
    const at = new Date(facts.periodEndMs).toISOString();
    expect(await plans.service.setCancel(userId, true)).toMatchObject({
      planId: 'pro',
      scheduled: { planId: 'free', at },
    });
    expect(await plans.service.setCancel(userId, false)).toMatchObject({ planId: 'pro', scheduled: null });
    expect(await plans.service.changePlan(userId, 'free')).toMatchObject({
      planId: 'pro',
      scheduled: { planId: 'free', at },
    });
    expect(plans.asked).toEqual(['cancel', 'resume', 'cancel']);
    expect(await settle(userId, new Date(facts.periodEndMs - 1).toISOString())).toMatchObject({ planCode: 'pro' });
    expect(await settle(userId, at)).toMatchObject({ planCode: 'free', avatarLimit: 10 });
  });

  test('refusals have codes of their own', async () => {
    const userId = await newPerson();
    await expect(plans.service.changePlan(userId, 'pro')).rejects.toMatchObject({ code: 'billing.checkout_required' });
    await expect(plans.service.changePlan(userId, 'gold')).rejects.toMatchObject({ code: 'billing.plan_not_found' });
    await expect(plans.service.setCancel(userId, true)).rejects.toMatchObject({ code: 'billing.no_subscription' });
    expect(await plans.service.changePlan(userId, 'free')).toMatchObject({
      planId: 'free',
      status: 'free',
      paidUntil: null,
    });
  });
});
