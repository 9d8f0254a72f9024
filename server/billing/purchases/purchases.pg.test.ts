/** Buying against a real PostgreSQL, the real SDK and the local Stripe server. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createMoneyHarness, type MoneyHarness } from './testing.ts';

let h: MoneyHarness;
let userId: string;
beforeAll(async () => {
  h = await createMoneyHarness();
});
afterAll(() => h.close());
beforeEach(async () => {
  h.newEvents();
  h.pushes.length = 0;
  userId = await h.newUser();
});

const purchasesOf = async (user = userId) => (await h.money.purchases.page(user, undefined, 50)).rows;
const tickets = async () => (await h.money.tickets.page(userId, undefined, 50)).balance;
async function buy(type: string, id: string, quantity = 1) {
  const paid = await h.pay(await h.checkout(userId, type, id, quantity));
  await h.deliverAll();
  return paid;
}
async function agrees() {
  expect(await h.money.purchases.verify()).toEqual([]);
  expect(await h.money.tickets.verify()).toEqual([]);
  expect(await h.billing.verifyChain()).toMatchObject({ ok: true, problems: [] });
}

describe('a checkout', () => {
  test('two devices that begin many at once stay below the limit, and the same request again is none more', async () => {
    const keys = Array.from({ length: 40 }, () => randomUUID());
    const begun = await Promise.all(
      [...keys, ...keys].map((key) =>
        h.checkout(userId, 'tickets', 'tickets_5', 1, key).then(
          ({ paymentId }) => ({ key, outcome: paymentId }),
          ({ code }: { code: string }) => ({ key, outcome: code }),
        ),
      ),
    );
    const of = (wanted: (outcome: string) => boolean) => begun.filter(({ outcome }) => wanted(outcome));
    expect(of((outcome) => outcome === 'billing.too_many_checkouts')).toHaveLength(20);
    expect(new Set(of((outcome) => outcome.includes('-')).map(({ outcome }) => outcome)).size).toBe(30);
  });

  test('000-R15, 003-R46: leads to a purchase in yen with its tokens and payment intent, and tells every device', async () => {
    const checkout = await h.checkout(userId, 'addon_tokens', 'tokens_100k', 2);
    expect(checkout).toMatchObject({ status: 'open', url: expect.stringContaining('/c/pay/cs_test_') });
    expect(await purchasesOf()).toEqual([]);
    const { intentId } = await h.pay(checkout);
    expect(await h.boughtTokens(userId)).toBe(0);
    await h.deliverAll();
    expect(await purchasesOf()).toMatchObject([
      {
        type: 'addon_tokens',
        itemId: 'tokens_100k',
        quantity: 2,
        amountMinor: 1000,
        currency: 'jpy',
        paymentId: intentId,
        status: 'paid',
      },
    ]);
    const [row] = await h.test.database.asUser(
      userId,
      (tx) => tx.sql`
      select amount_jpy::int, tokens_granted::int, stripe_payment_intent from billing.purchases where user_id = ${userId}`,
    );
    expect(row).toEqual({ amount_jpy: 1000, tokens_granted: 200_000, stripe_payment_intent: intentId });
    expect(await h.boughtTokens(userId)).toBe(200_000);
    expect(h.pushes).toMatchObject([
      {
        userId,
        push: {
          type: 'billing.purchase',
          body: { status: 'succeeded', type: 'addon_tokens', purchase: { units: 200_000 } },
        },
      },
    ]);
    await agrees();
  });

  test('the same request gets the same checkout, also after the answer was lost; another one under its key is refused', async () => {
    const key = randomUUID();
    const first = await h.checkout(userId, 'tickets', 'tickets_5', 1, key);
    await h.test.database.asService((tx) => tx.sql`select 1`);
    expect(await h.checkout(userId, 'tickets', 'tickets_5', 1, key)).toEqual(first);
    const both = await Promise.all([1, 2].map(() => h.checkout(userId, 'tickets', 'tickets_12', 1, `${key}-2`)));
    expect(both[0]?.paymentId).toBe(both[1]?.paymentId);
    await expect(h.checkout(userId, 'tickets', 'tickets_5', 2, key)).rejects.toMatchObject({
      code: 'billing.idempotency_conflict',
    });
    await h.pay(first);
    await h.deliverAll();
    expect(await h.checkout(userId, 'tickets', 'tickets_5', 1, key)).toMatchObject({ status: 'succeeded', url: null });
    expect(await tickets()).toBe(5);
  });

  test.each([
    ['addon_tokens', 'tokens_1g', 1, 'billing.product_not_found'],
    ['addon_tokens', 'tickets_5', 1, 'billing.product_not_found'],
    ['moon', 'moon_1', 1, 'billing.product_not_found'],
    ['tickets', 'tickets_5', 21, 'protocol.invalid_body'],
  ])('of %s %s × %d is refused: %s', async (type, id, quantity, code) => {
    await expect(h.checkout(userId, type, id, quantity)).rejects.toMatchObject({ code });
  });

  test('a provider that is away is said, and the same request succeeds later', async () => {
    const key = randomUUID();
    h.offline.failNext(9, 500);
    await expect(h.checkout(userId, 'tickets', 'tickets_5', 1, key)).rejects.toMatchObject({
      code: 'billing.provider_unavailable',
    });
    h.offline.failNext(0, 500);
    expect((await h.checkout(userId, 'tickets', 'tickets_5', 1, key)).url).toContain('/c/pay/');
  });

  test('a customer who is gone at the provider is made anew', async () => {
    await buy('tickets', 'tickets_5');
    const customers = h.offline.store.list('customer', ({ metadata }) => metadata['tsumugi_user'] === userId);
    h.offline.store.delete(customers[0]?.id ?? '');
    await expect(h.money.purchases.portal(userId, 'en')).rejects.toMatchObject({ code: 'billing.no_customer' });
    await buy('tickets', 'tickets_12');
    expect(await tickets()).toBe(17);
  });

  test('003-R48: the prices for creators are there', async () => {
    expect(await h.money.purchases.priceTiers(userId)).toEqual(
      expect.arrayContaining([{ code: 'jpy_500', priceMinor: 500, currency: 'jpy' }]),
    );
  });

  test('coming back from the checkout is enough, and grants nothing that was not paid', async () => {
    const checkout = await h.checkout(userId, 'tickets', 'tickets_5');
    const paid = await h.checkout(userId, 'tickets', 'tickets_12');
    await h.pay(paid);
    h.newEvents();
    h.money.purchases.lookAt(checkout.paymentId);
    h.money.purchases.lookAt(paid.paymentId);
    h.money.purchases.lookAt(randomUUID());
    await expect.poll(() => h.pushes.length).toBe(1);
    expect(await tickets()).toBe(12);
  });

  test('one that nobody pays expires, one whose card is refused stays open', async () => {
    const checkout = await h.checkout(userId, 'tickets', 'tickets_5');
    const sessionId = checkout.url?.split('/').at(-1) ?? '';
    h.offline.checkout.decline(sessionId);
    await h.deliverAll();
    expect(await purchasesOf()).toEqual([]);
    h.offline.checkout.expire(sessionId);
    await h.deliverAll();
    expect(h.pushes).toMatchObject([{ push: { body: { status: 'expired', purchase: null } } }]);
  });

  test('the amount that counts is the one that was asked for', async () => {
    const checkout = await h.checkout(userId, 'tickets', 'tickets_5');
    const sessionId = checkout.url?.split('/').at(-1) ?? '';
    h.offline.store.get('checkout.session', sessionId).amount_total = 1;
    const { intentId } = await h.pay(checkout);
    await h.deliverAll();
    expect(await purchasesOf()).toEqual([]);
    expect(await tickets()).toBe(0);
    expect(h.pushes).toMatchObject([{ push: { body: { status: 'mismatched' } } }]);
    // An operator sees it in the report until the money is back where it came from.
    expect(await h.money.purchases.verify()).toMatchObject([
      { problem: expect.stringContaining('not what was asked for') },
    ]);
    h.offline.money.refund(intentId, undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await h.money.purchases.verify()).toEqual([]);
    expect(await purchasesOf()).toEqual([]);
  });
});

describe('money that goes back', () => {
  test('001-R24: in part takes back that share, in full the rest; balances may go below zero by it alone', async () => {
    const { intentId } = await buy('tickets', 'tickets_5');
    await h.test.database.asService((tx) =>
      h.money.tickets.consume(tx, { userId, amount: 4, key: 'event-1', target: { type: 'event', id: 'e1' } }),
    );
    h.offline.money.refund(intentId, 250, { metadata: {}, reason: null });
    await h.deliverAll();
    // 250 of 600 yen: 2.08 of 5 tickets, in favour of the buyer.
    expect(await purchasesOf()).toMatchObject([{ status: 'partially_refunded', unitsRevoked: 2, refundedMinor: 250 }]);
    expect(await tickets()).toBe(-1);
    h.offline.money.refund(intentId, undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await purchasesOf()).toMatchObject([{ status: 'refunded', unitsRevoked: 5, refundedAt: expect.any(Date) }]);
    expect(await tickets()).toBe(-4);
    await expect(
      h.test.database.asService((tx) =>
        h.money.tickets.consume(tx, { userId, amount: 1, key: 'event-2', target: { type: 'event', id: 'e2' } }),
      ),
    ).rejects.toMatchObject({ code: 'billing.insufficient_tickets' });
    await agrees();
  });

  test('a dispute takes everything back at once, a won one gives it back, a lost one does not', async () => {
    const won = await buy('addon_tokens', 'tokens_100k');
    const lost = await buy('addon_tokens', 'tokens_500k');
    const first = h.offline.money.openDispute(won.intentId);
    const second = h.offline.money.openDispute(lost.intentId);
    await h.deliverAll();
    expect(await h.boughtTokens(userId)).toBe(0);
    expect((await purchasesOf()).map(({ status }) => status)).toEqual(['disputed', 'disputed']);
    h.offline.money.closeDispute(first.id, 'won');
    h.offline.money.closeDispute(second.id, 'lost');
    await h.deliverAll();
    expect(await h.boughtTokens(userId)).toBe(100_000);
    expect((await purchasesOf()).map(({ status, dispute }) => [status, dispute])).toEqual([
      ['charged_back', 'lost'],
      ['paid', 'won'],
    ]);
    await agrees();
  });

  test('an inquiry moves no money and takes nothing back', async () => {
    const { intentId } = await buy('addon_tokens', 'tokens_100k');
    h.offline.money.openDispute(intentId, 'warning_needs_response');
    await h.deliverAll();
    expect(await h.boughtTokens(userId)).toBe(100_000);
    expect(await purchasesOf()).toMatchObject([{ status: 'paid', dispute: 'none' }]);
  });

  test('a refund that fails at the bank gives back what it took', async () => {
    const { intentId } = await buy('addon_tokens', 'tokens_100k');
    const refund = h.offline.money.refund(intentId, undefined, { metadata: {}, reason: null });
    await h.deliverAll();
    expect(await h.boughtTokens(userId)).toBe(0);
    h.offline.money.failRefund(refund.id);
    await h.deliverAll();
    expect(await h.boughtTokens(userId)).toBe(100_000);
    expect(await purchasesOf()).toMatchObject([{ status: 'paid', refundedMinor: 0, refundedAt: null }]);
    await agrees();
  });
});

describe('people see their own', () => {
  test('purchases, tickets, rights and cards of nobody else, by row level security', async () => {
    await buy('tickets', 'tickets_5');
    const stranger = await h.newUser();
    const counts = await h.test.database.asUser(
      stranger,
      (tx) => tx.sql`
      select (select count(*)::int from billing.purchases) as purchases, (select count(*)::int from billing.payments) as payments,
        (select count(*)::int from billing.ticket_transactions) as tickets, (select count(*)::int from billing.user_ticket_balances) as balances,
        (select count(*)::int from billing.payment_methods) as methods, (select count(*)::int from billing.customers) as customers,
        (select count(*)::int from billing.provider_events) as events, (select count(*)::int from billing.refunds) as refunds`,
    );
    expect(counts).toEqual([
      { purchases: 0, payments: 0, tickets: 0, balances: 0, methods: 0, customers: 0, events: 0, refunds: 0 },
    ]);
    expect(await purchasesOf(stranger)).toEqual([]);
    expect(await h.money.purchases.methods(userId)).toMatchObject([{ brand: 'visa', last4: '4242', isDefault: true }]);
  });

  test('and write nothing at all, not even to their own', async () => {
    await buy('tickets', 'tickets_5');
    const attempts = [
      `insert into billing.ticket_transactions (id, user_id, type, amount, idempotency_key) values (gen_random_uuid(), '${userId}', 'grant', 9, 'x')`,
      `insert into billing.user_entitlements (id, user_id, entitlement_type, entitlement_id, source) values (gen_random_uuid(), '${userId}', 'pack', 'p', 'grant')`,
      `insert into billing.provider_events (provider, event_id, type, created_at) values ('stripe', 'evt_x', 'x', now())`,
      `delete from billing.ticket_transactions`,
      `delete from billing.purchases`,
      `update billing.purchases set user_id = gen_random_uuid()`,
    ];
    for (const attempt of attempts)
      await expect(h.test.database.asUser(userId, (tx) => tx.sql.unsafe(attempt))).rejects.toMatchObject({
        code: '42501',
      });
    const changes = [
      'update billing.user_ticket_balances set balance = 100',
      'update billing.purchases set units_revoked = 0, revision = 9',
      `update billing.payments set status = 'succeeded'`,
      'update billing.addons set price_minor = 1',
      'delete from billing.provider_events',
    ];
    for (const change of changes)
      expect([change, (await h.test.database.asUser(userId, (tx) => tx.sql.unsafe(change))).count]).toEqual([
        change,
        0,
      ]);
    expect(await tickets()).toBe(5);
  });

  test('a card that is taken away at the provider is gone here', async () => {
    await buy('tickets', 'tickets_5');
    const [method] = await h.money.purchases.methods(userId);
    await h.money.stripe?.stripe.paymentMethods.detach(method?.providerMethodId ?? '');
    await h.deliverAll();
    expect(await h.money.purchases.methods(userId)).toEqual([]);
  });

  test('the portal is for those who have bought', async () => {
    await expect(h.money.purchases.portal(userId, 'ja')).rejects.toMatchObject({ code: 'billing.no_customer' });
    await buy('tickets', 'tickets_5');
    expect(await h.money.purchases.portal(userId, 'ja')).toContain('/p/session/bps_');
  });
});
