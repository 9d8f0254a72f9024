/** Paid plans at the provider, seen from here: what is told of them, and what their periods are as purchases. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Price, ProductType } from '../purchases/product.ts';
import type { SubscriptionFacts } from '../purchases/subscription-gateway.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import type { StripeParts } from './open-money.ts';

let h: MoneyHarness;
let stripe: StripeParts;
let userId: string;
let subscriptionId: string;
const heard: { userId: string; facts: SubscriptionFacts; seenAt: Date }[] = [];

const price = (amountMinor: number): Price => ({
  amountMinor,
  currency: 'jpy',
  units: 1,
  name: { en: 'A plan', ja: 'プラン' },
  interval: 'month',
});
const prices: Record<string, Price> = { small: price(1000), large: price(3000) };
const revoked: string[] = [];
const plan: ProductType = {
  type: 'club',
  mode: 'subscription',
  unit: 'thing',
  maxQuantity: 1,
  checkExists: (_, id) => Promise.resolve(id in prices),
  priceOf: (_, id) => Promise.resolve(prices[id]),
  offers: () => Promise.resolve([]),
  grant: () => Promise.resolve({}),
  revoke: (_, { itemId }) => Promise.resolve(revoked.push(itemId)).then(() => []),
  restore: () => Promise.resolve([]),
};

beforeAll(async () => {
  h = await createMoneyHarness();
  h.money.products.add(plan);
  h.money.onSubscription(async (user, facts, seenAt) => void heard.push({ userId: user, facts, seenAt }));
  if (h.money.stripe === undefined) throw new Error('There is no provider.');
  stripe = h.money.stripe;
});
afterAll(() => h.close());
beforeEach(async () => {
  h.newEvents();
  heard.length = 0;
  revoked.length = 0;
  userId = await h.newUser();
  const checkout = await h.checkout(userId, 'club', 'small');
  await h.pay(checkout);
  await h.deliverAll();
  subscriptionId = last()?.subscriptionId ?? '';
});

const purchases = async () => (await h.money.purchases.page(userId, undefined, 20)).rows.reverse();
/** The latest look. The clock of the harness renews the subscriptions of other tests as well. */
const last = () =>
  heard
    .filter((one) => one.userId === userId)
    .sort((a, b) => b.seenAt.getTime() - a.seenAt.getTime())
    .at(0)?.facts;
/** To the end of the period that is running. */
async function nextPeriod() {
  const { periodEndMs } = (await stripe.subscriptions.read(subscriptionId)) ?? { periodEndMs: 0 };
  h.clock.advance(Math.max(0, periodEndMs - h.clock.now()));
  h.offline.subscriptions.runDue();
  await h.deliverAll();
}

describe('a subscription', () => {
  test('is told with what was sold, by the clock of the database; each paid period is a purchase', async () => {
    expect(last()).toMatchObject({
      status: 'active',
      product: { type: 'club', id: 'small' },
      nextProduct: null,
      cancelAtPeriodEnd: false,
    });
    expect(heard.every((one) => one.userId === userId)).toBe(true);
    // Looks run side by side: the listener tells their order by the clock, not by when it is called.
    expect(heard.length).toBeGreaterThan(0);
    expect(heard.every(({ seenAt }) => seenAt instanceof Date)).toBe(true);
    await nextPeriod();
    expect(await purchases()).toMatchObject([
      { type: 'club', itemId: 'small', amountMinor: 1000, status: 'paid', units: 1 },
      { type: 'club', itemId: 'small', amountMinor: 1000, status: 'paid', units: 1 },
    ]);
    expect(await h.money.purchases.verify()).toEqual([]);
  });

  test('changes at once: the difference is paid, and is a purchase of the new plan', async () => {
    await stripe.subscriptions.change(subscriptionId, {
      product: { type: 'club', id: 'large' },
      price: price(3000),
      when: 'now',
      requestKey: 'k1',
    });
    await h.deliverAll();
    expect(last()).toMatchObject({ product: { type: 'club', id: 'large' }, nextProduct: null });
    const [, difference] = await purchases();
    expect(difference).toMatchObject({ itemId: 'large', status: 'paid' });
    expect(difference?.amountMinor).toBeGreaterThan(1900);
    expect(difference?.amountMinor).toBeLessThanOrEqual(2000);
  });

  test('changes with its period: until then it is what it was, and the next one costs the other price', async () => {
    const small = { type: 'club', id: 'small' };
    const large = { type: 'club', id: 'large' };
    await stripe.subscriptions.change(subscriptionId, {
      product: large,
      price: price(3000),
      when: 'period_end',
      requestKey: 'k1',
    });
    await h.deliverAll();
    expect(last()).toMatchObject({ product: small, nextProduct: large });
    expect(await purchases()).toHaveLength(1);
    await stripe.subscriptions.change(subscriptionId, {
      product: small,
      price: price(1000),
      when: 'period_end',
      requestKey: 'k2',
    });
    await h.deliverAll();
    expect(last()).toMatchObject({ product: small, nextProduct: null });
    await stripe.subscriptions.change(subscriptionId, {
      product: large,
      price: price(3000),
      when: 'period_end',
      requestKey: 'k3',
    });
    await nextPeriod();
    expect(last()).toMatchObject({ product: large, nextProduct: null });
    expect((await purchases()).map(({ itemId, amountMinor }) => [itemId, amountMinor])).toEqual([
      ['small', 1000],
      ['large', 3000],
    ]);
  });

  test('is cancelled at its end, resumed, ended at once; ending twice is no error', async () => {
    await stripe.subscriptions.setCancelAtPeriodEnd(subscriptionId, true);
    await h.deliverAll();
    expect(last()).toMatchObject({ status: 'active', cancelAtPeriodEnd: true });
    await stripe.subscriptions.setCancelAtPeriodEnd(subscriptionId, false);
    await h.deliverAll();
    expect(last()).toMatchObject({ cancelAtPeriodEnd: false });
    await stripe.subscriptions.cancelNow(subscriptionId);
    await stripe.subscriptions.cancelNow(subscriptionId);
    await h.deliverAll();
    expect(last()).toMatchObject({ status: 'canceled', endedAtMs: expect.any(Number) });
  });

  test('whose card is refused is past due, and its unpaid period is no purchase', async () => {
    h.offline.subscriptions.setDeclines(subscriptionId, true);
    await nextPeriod();
    expect(last()).toMatchObject({ status: 'past_due' });
    expect(await purchases()).toHaveLength(1);
    h.offline.subscriptions.setDeclines(subscriptionId, false);
    const { latest_invoice: invoice } = h.offline.store.get('subscription', subscriptionId);
    h.offline.subscriptions.payInvoice(invoice ?? '');
    await h.deliverAll();
    expect(last()).toMatchObject({ status: 'active' });
    expect(await purchases()).toHaveLength(2);
  });

  test('a period whose money goes back is taken back from its domain', async () => {
    const [period] = await purchases();
    h.offline.money.refund(period?.paymentId ?? '', undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(revoked).toEqual(['small']);
    expect(await purchases()).toMatchObject([{ status: 'refunded', unitsRevoked: 1 }]);
  });

  test('one that nothing was heard of is looked at when asked; one that is not there is left alone', async () => {
    h.offline.subscriptions.cancel(subscriptionId);
    h.newEvents();
    await stripe.syncSubscription(subscriptionId);
    expect(last()).toMatchObject({ status: 'canceled' });
    const count = heard.length;
    await stripe.syncSubscription('sub_nothing');
    expect(heard).toHaveLength(count);
  });
});
