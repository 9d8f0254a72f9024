/** What of a plan goes back with which money, and what comes back: upgrades and disputes, with the real SDK and the offline provider. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PurchaseRow } from '../../../db/billing/purchases/purchases.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { openPlans, type Plans } from './open-plans.ts';

let h: MoneyHarness;
let plans: Plans;
let owner: postgres.Sql;
const silent = { info() {}, warn() {}, error() {} };
const [PRO, BUSINESS] = [3_000_000, 15_000_000];

beforeAll(async () => {
  h = await createMoneyHarness();
  owner = postgres(h.test.ownerUrl, { max: 1, onnotice: () => {} });
  const { money, billing, test: harness } = h;
  plans = openPlans({ db: harness.database, billing, money, atCap: 'stop', log: silent, tell() {} });
});
afterAll(async () => {
  await owner.end();
  await plans.close();
  await h.close();
});

async function granted(userId: string): Promise<number> {
  const [row] = await owner<{ balance: string }[]>`
    select b.balance from billing.accounts a join billing.account_balances b on b.account_id = a.id
    where a.owner_id = ${userId} and b.asset = 'token'`;
  return Number(row?.balance ?? 0);
}
async function subscribe(planId: string): Promise<string> {
  const userId = await h.newUser();
  await h.pay(await h.checkout(userId, 'plan', planId));
  await h.deliverAll();
  return userId;
}
async function upgraded(): Promise<{ userId: string; base: PurchaseRow; upgrade: PurchaseRow }> {
  const userId = await subscribe('pro');
  await plans.service.changePlan(userId, 'business');
  await h.deliverAll();
  const [upgrade, base] = await purchasesOf(userId);
  if (base === undefined || upgrade === undefined) throw new Error('Two purchases were expected.');
  expect(await granted(userId)).toBe(BUSINESS);
  return { userId, base, upgrade };
}
const purchasesOf = async (userId: string) => (await h.money.purchases.page(userId, undefined, 10)).rows;
async function refund({ id: purchaseId, userId }: PurchaseRow): Promise<void> {
  const of = { purchaseId, amountMinor: undefined, reason: 'asked for it', requestKey: randomUUID() };
  await h.money.purchases.buying.refunds.request({ ...of, requestedBy: userId });
  await h.deliverAll();
}
async function lookAfter(): Promise<void> {
  await plans.subscriptions.lookAfter();
  await h.deliverAll();
}
/** The subscription as the provider has it. */
async function atProvider(userId: string) {
  const [row] = await owner<{ id: string }[]>`
    select provider_subscription_id as id from billing.subscriptions where user_id = ${userId}`;
  return h.offline.store.get('subscription', row?.id ?? '');
}
async function renew(userId: string): Promise<void> {
  const ends = (await atProvider(userId)).items.data[0]?.current_period_end ?? 0;
  h.clock.advance(ends * 1000 - h.clock.now() + 1000);
  h.offline.subscriptions.runDue();
  await h.deliverAll();
}
const priceOf = async (userId: string) => (await atProvider(userId)).items.data[0]?.price.unit_amount;

test('the money of an upgrade takes the upgrade and what it granted; the plan that is paid besides goes on', async () => {
  const { userId, upgrade } = await upgraded();
  await refund(upgrade);
  expect(await plans.service.subscription(userId)).toMatchObject({
    planId: 'pro',
    status: 'active',
    avatarLimit: 30,
    scheduled: null,
  });
  expect(await granted(userId)).toBe(PRO);
  await lookAfter();
  expect(await priceOf(userId)).toBe(1480);
  await lookAfter();
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'pro', scheduled: null });
  expect(await granted(userId)).toBe(PRO);
  await renew(userId);
  expect((await purchasesOf(userId))[0]).toMatchObject({ itemId: 'pro', amountMinor: 1480, status: 'paid' });
});

test.each(['at once', 'when the provider knows of it'])(
  'who has had his upgrade back may upgrade again, and pays for it: %s',
  async (when) => {
    const { userId, upgrade } = await upgraded();
    await refund(upgrade);
    if (when !== 'at once') await lookAfter();
    expect(await plans.service.changePlan(userId, 'business')).toMatchObject({ planId: 'business' });
    await h.deliverAll();
    expect((await purchasesOf(userId)).map(({ itemId, status }) => `${itemId} ${status}`)).toEqual([
      'business paid',
      'business refunded',
      'pro paid',
    ]);
    expect(await granted(userId)).toBe(BUSINESS);
  },
);

test('an upgrade of the last day takes nothing of the next month with its money', async () => {
  const { userId, upgrade } = await upgraded();
  const ends = (await atProvider(userId)).items.data[0]?.current_period_end ?? 0;
  await owner`update billing.purchases set created_at = to_timestamp(${ends - 3_600}) where id = ${upgrade.id}`;
  await renew(userId);
  await h.test.database.asService((tx) => plans.periods.settle(tx, userId, new Date((ends + 60) * 1000)));
  await h.billing.ledger.bookPending();
  expect(await granted(userId)).toBe(2 * BUSINESS);
  await refund(upgrade);
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'business', status: 'active' });
  expect(await granted(userId)).toBe(PRO + BUSINESS);
});

test('a disputed plan is not charged further; with a dispute that is won it comes back, with one that is lost it ends', async () => {
  const [won, lost] = [await subscribe('pro'), await subscribe('pro')];
  const disputes = new Map<string, string>();
  for (const userId of [won, lost]) {
    const [purchase] = await purchasesOf(userId);
    disputes.set(userId, h.offline.money.openDispute(purchase?.paymentId ?? '').id);
    await h.deliverAll();
    expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'free', status: 'free' });
    expect(await granted(userId)).toBe(0);
  }
  await lookAfter();
  for (const userId of [won, lost])
    expect(await atProvider(userId)).toMatchObject({ status: 'active', cancel_at_period_end: true });
  h.offline.money.closeDispute(disputes.get(won) ?? '', 'won');
  h.offline.money.closeDispute(disputes.get(lost) ?? '', 'lost');
  await h.deliverAll();
  await lookAfter();
  expect(await plans.service.subscription(won)).toMatchObject({ planId: 'pro', status: 'active' });
  expect(await granted(won)).toBe(PRO);
  // He may go on with it.
  expect(await plans.service.setCancel(won, false)).toMatchObject({ planId: 'pro', scheduled: null });
  expect(await atProvider(lost)).toMatchObject({ status: 'canceled' });
  expect(await plans.service.subscription(lost)).toMatchObject({ planId: 'free' });
  expect(await granted(lost)).toBe(0);
});

test('who has bought another plan while his first one was disputed keeps that one alone', async () => {
  const userId = await subscribe('pro');
  const [purchase] = await purchasesOf(userId);
  const { id } = h.offline.money.openDispute(purchase?.paymentId ?? '');
  await h.deliverAll();
  await h.pay(await h.checkout(userId, 'plan', 'business'));
  await h.deliverAll();
  h.offline.money.closeDispute(id, 'won');
  await h.deliverAll();
  await lookAfter();
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'business', status: 'active' });
  expect(await granted(userId)).toBe(PRO + BUSINESS);
  const rows = await owner`select status from billing.subscriptions where user_id = ${userId} order by created_at`;
  expect(rows.map(({ status }) => status)).toEqual(['canceled', 'active']);
});

test.each(['before', 'after'])(
  'a disputed upgrade that is won comes back for its period: %s the provider knew of it',
  async (when) => {
    const { userId, upgrade } = await upgraded();
    const { id } = h.offline.money.openDispute(upgrade.paymentId);
    await h.deliverAll();
    expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'pro' });
    if (when === 'after') await lookAfter();
    h.offline.money.closeDispute(id, 'won');
    await h.deliverAll();
    await lookAfter();
    expect(await plans.service.subscription(userId)).toMatchObject({
      planId: 'business',
      scheduled: when === 'after' ? { planId: 'pro' } : null,
    });
    expect(await granted(userId)).toBe(BUSINESS);
  },
);
