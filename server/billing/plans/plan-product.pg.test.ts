/** Plans bought, changed, renewed and paid back through the offline provider: the whole way, with the real SDK. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { Reversals } from '../reversals/reversals.ts';
import { openPlans, type Plans } from './open-plans.ts';

let h: MoneyHarness;
let plans: Plans;
const silent = { info() {}, warn() {}, error() {} };

beforeAll(async () => {
  h = await createMoneyHarness();
  const { money, billing, test: harness } = h;
  const tell = (userId: string, push: MoneyHarness['pushes'][number]['push']) => void h.pushes.push({ userId, push });
  plans = openPlans({ db: harness.database, billing, money, atCap: 'stop', log: silent, tell });
});
afterAll(async () => {
  await plans.close();
  await h.close();
});

const [PRO, BUSINESS] = [3_000_000, 15_000_000];
async function granted(userId: string): Promise<number> {
  const [row] = await h.test.database.asService(
    (tx) => tx.sql<{ balance: string }[]>`
      select b.balance from billing.accounts a join billing.account_balances b on b.account_id = a.id
      where a.owner_id = ${userId} and b.asset = 'token'`,
  );
  return Number(row?.balance ?? 0);
}
async function subscribe(planId: string): Promise<string> {
  const userId = await h.newUser();
  const checkout = await h.checkout(userId, 'plan', planId);
  await h.pay(checkout);
  await h.deliverAll();
  return userId;
}

test('000-R3, 000-R4, 000-R15: a plan is bought by a checkout, and each period is a purchase', async () => {
  const userId = await subscribe('pro');
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'pro', status: 'active', avatarLimit: 30 });
  expect(await plans.service.maxAvatars(userId)).toBe(30);
  expect(await granted(userId)).toBe(PRO);
  const { rows } = await h.money.purchases.page(userId, undefined, 10);
  expect(rows).toMatchObject([{ type: 'plan', itemId: 'pro', amountMinor: 1480, currency: 'jpy', status: 'paid' }]);
  await expect(h.checkout(userId, 'plan', 'business')).rejects.toMatchObject({ code: 'billing.already_subscribed' });
  expect((await h.money.purchases.offers(userId)).filter(({ type }) => type === 'plan').map(({ id }) => id)).toEqual([
    'pro',
    'business',
  ]);
  await expect(h.checkout(await h.newUser(), 'plan', 'free')).rejects.toMatchObject({
    code: 'billing.product_not_found',
  });
});

test('a greater plan is charged with the difference and begins at once; a smaller one, and the end, follow the period', async () => {
  const userId = await subscribe('pro');
  expect(await plans.service.changePlan(userId, 'business')).toMatchObject({ planId: 'business', scheduled: null });
  await h.deliverAll();
  expect(await granted(userId)).toBe(BUSINESS);
  expect(await plans.service.changePlan(userId, 'pro')).toMatchObject({
    planId: 'business',
    scheduled: { planId: 'pro' },
  });
  expect(await plans.service.setCancel(userId, true)).toMatchObject({
    planId: 'business',
    scheduled: { planId: 'free' },
  });
  expect(await plans.service.setCancel(userId, false)).toMatchObject({
    planId: 'business',
    scheduled: { planId: 'pro' },
  });
  await h.deliverAll();
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'business', scheduled: { planId: 'pro' } });
  expect(await granted(userId)).toBe(BUSINESS);
});

test('two checkouts that are both paid: the second gives nothing, ends, and its money goes back', async () => {
  const userId = await h.newUser();
  const checkouts = [await h.checkout(userId, 'plan', 'pro'), await h.checkout(userId, 'plan', 'business')];
  for (const checkout of checkouts) await h.pay(checkout);
  await h.deliverAll();
  await h.deliverAll();
  await h.money.purchases.buying.refunds.sendDue();
  await h.deliverAll();
  const { rows } = await h.money.purchases.page(userId, undefined, 10);
  expect(rows.map(({ status }) => status).sort()).toEqual(['paid', 'refunded']);
  const kept = rows.find(({ status }) => status === 'paid');
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: kept?.itemId, status: 'active' });
  expect(await granted(userId)).toBe(kept?.itemId === 'pro' ? PRO : BUSINESS);
});

test('money that goes back takes the tokens of its period and the plan with it, and ends the subscription', async () => {
  const userId = await subscribe('pro');
  const { rows } = await h.money.purchases.page(userId, undefined, 10);
  const purchaseId = rows[0]?.id ?? '';
  const [requestKey, reason] = ['refund-0001', 'asked for it'];
  await h.money.purchases.buying.refunds.request({
    purchaseId,
    amountMinor: undefined,
    reason,
    requestKey,
    requestedBy: userId,
  });
  await h.deliverAll();
  expect(await granted(userId)).toBe(0);
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'free', status: 'free' });
  await plans.subscriptions.lookAfter();
  await h.deliverAll();
  const [row] = await h.test.database.asService(
    (tx) =>
      tx.sql`select status, revoked_at is not null as revoked from billing.subscriptions where user_id = ${userId}`,
  );
  expect(row).toMatchObject({ status: 'canceled', revoked: true });
  // He may begin again.
  await h.pay(await h.checkout(userId, 'plan', 'pro'));
  await h.deliverAll();
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'pro', status: 'active' });
  expect(await granted(userId)).toBe(PRO);
});

/** The last subscription, as it was looked at last. */
async function atProvider(userId: string) {
  const [row] = await h.test.database.asService(
    (tx) => tx.sql`
      select status, cancel_at_period_end as "cancelAtPeriodEnd" from billing.subscriptions where user_id = ${userId}`,
  );
  return row;
}

async function refund(purchaseId: string, by: string): Promise<void> {
  const of = { purchaseId, amountMinor: undefined, reason: 'asked for it', requestKey: randomUUID(), requestedBy: by };
  await h.money.purchases.buying.refunds.request(of);
  await h.deliverAll();
}

test.each(['the upgrade first', 'the upgrade last'])(
  'a month that was paid by two purchases gives its tokens back once, %s',
  async (order) => {
    const userId = await subscribe('pro');
    await plans.service.changePlan(userId, 'business');
    await h.deliverAll();
    expect(await granted(userId)).toBe(BUSINESS);
    const { rows } = await h.money.purchases.page(userId, undefined, 10);
    expect(rows.map(({ itemId }) => itemId)).toEqual(['business', 'pro']);
    for (const { id } of order === 'the upgrade first' ? rows : rows.toReversed()) await refund(id, userId);
    expect(await granted(userId)).toBe(0);
    const { rows: after } = await h.money.purchases.page(userId, undefined, 10);
    expect(after.map(({ status }) => status)).toEqual(['refunded', 'refunded']);
  },
);

test.each([
  ['refunded', 'its invoice'],
  ['refunded', 'its subscription'],
  ['disputed', 'its invoice'],
])(
  'a plan whose money was %s before anything was heard of it gives nothing, and nothing more is charged: %s is heard of first',
  async (what, first) => {
    const userId = await h.newUser();
    h.newEvents();
    await h.pay(await h.checkout(userId, 'plan', 'pro'));
    const [intent] = h.offline.store.list('payment_intent', ({ status }) => status === 'succeeded');
    if (what === 'refunded') h.offline.money.refund(intent?.id ?? '', undefined, { metadata: {}, reason: null });
    else h.offline.money.openDispute(intent?.id ?? '');
    const events = h.newEvents();
    const begins = first === 'its invoice' ? 'invoice.' : 'customer.subscription.';
    const [early, late] = [true, false].map((is) => events.filter(({ type }) => type.startsWith(begins) === is));
    await h.deliver(early ?? []);
    await h.deliver(late ?? []);
    expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'free' });
    expect(await granted(userId)).toBe(0);
    await plans.subscriptions.lookAfter();
    await h.deliverAll();
    // What is disputed may stay after all: only the next period is not charged.
    const pauses = what === 'disputed';
    expect(await atProvider(userId)).toMatchObject({
      status: pauses ? 'active' : 'canceled',
      cancelAtPeriodEnd: pauses,
    });
  },
);

test('a dispute takes the tokens of the month, one that is won gives the same back, and one that is lost takes them again', async () => {
  const userId = await subscribe('pro');
  const { rows } = await h.money.purchases.page(userId, undefined, 10);
  const intentId = rows[0]?.paymentId ?? '';
  const { id } = h.offline.money.openDispute(intentId);
  await h.deliverAll();
  expect(await granted(userId)).toBe(0);
  h.offline.money.closeDispute(id, 'won');
  await h.deliverAll();
  expect(await granted(userId)).toBe(PRO);
  await refund(rows[0]?.id ?? '', userId);
  expect(await granted(userId)).toBe(0);
});

test('what an operator has taken back of a plan is not taken again with its money, nor the other way round', async () => {
  const [one, other, operator] = [await subscribe('pro'), await subscribe('pro'), await h.newUser()];
  const { database: db } = h.test;
  const { ledger, once } = h.billing;
  const reversals = new Reversals({ db, clock: h.clock, ledger, once, limitTokens: 100 * PRO });
  const takeBack = async (userId: string) => {
    const [entry] = await db.asService(
      (tx) => tx.sql<{ id: string }[]>`
        select e.id from billing.token_ledger e join billing.accounts a on a.id = e.to_account
        where a.owner_id = ${userId} and e.purpose = 'plan_grant'`,
    );
    return reversals.request(operator, { entryId: entry?.id ?? '', reasonCode: 'misuse', reason: 'A test.' });
  };
  const purchaseOf = async (userId: string) =>
    (await h.money.purchases.page(userId, undefined, 1)).rows.at(0)?.id ?? '';
  await takeBack(one);
  await refund(await purchaseOf(one), operator);
  await refund(await purchaseOf(other), operator);
  await expect(takeBack(other)).rejects.toMatchObject({ code: 'billing.already_reversed' });
  expect([await granted(one), await granted(other)]).toEqual([0, 0]);
});

test('of a plan that is paid by the year all months that were granted go back with its money', async () => {
  await h.test.database.asService(
    (tx) => tx.sql`
      insert into billing.plans (code, name_en, name_ja, avatar_limit, monthly_tokens, price_minor, currency, interval, sort)
      values ('pro_year', 'Pro, a year', 'プロ年額', 30, ${PRO}, 14800, 'jpy', 'year', 11)`,
  );
  const userId = await subscribe('pro_year');
  const now = Date.now();
  for (const months of [1, 2, 3])
    await h.test.database.asService((tx) => plans.periods.settle(tx, userId, new Date(now + months * 31 * 86_400_000)));
  await h.billing.ledger.bookPending();
  expect(await granted(userId)).toBe(4 * PRO);
  const [purchase] = (await h.money.purchases.page(userId, undefined, 10)).rows;
  await refund(purchase?.id ?? '', userId);
  expect(await granted(userId)).toBe(0);
});

test('a period that is paid although its plan was taken back gives nothing, and its money goes back', async () => {
  const userId = await subscribe('pro');
  const [first] = (await h.money.purchases.page(userId, undefined, 10)).rows;
  await refund(first?.id ?? '', userId);
  const [row] = await h.test.database.asService(
    (tx) => tx.sql<{ id: string }[]>`
      select provider_subscription_id as id from billing.subscriptions where user_id = ${userId}`,
  );
  // The provider could not be reached to end it.
  const { periodEndMs } = (await h.money.stripe?.subscriptions.read(row?.id ?? '')) ?? { periodEndMs: 0 };
  h.clock.advance(periodEndMs - h.clock.now());
  h.offline.subscriptions.runDue();
  await h.deliverAll();
  await h.money.purchases.buying.refunds.sendDue();
  await h.deliverAll();
  const { rows } = await h.money.purchases.page(userId, undefined, 10);
  expect(rows.map(({ status, units }) => [status, units])).toEqual([
    ['refunded', 0],
    ['refunded', 1],
  ]);
  expect(await granted(userId)).toBe(0);
  expect(await plans.service.subscription(userId)).toMatchObject({ planId: 'free' });
});
