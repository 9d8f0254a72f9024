/** Operators give money back; the provider is asked once, whatever fails. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RouteRequest } from '../../http.ts';
import { purchaseAdminCalls } from './admin.ts';
import { applyPayment } from './settle.ts';
import { createMoneyHarness, type MoneyHarness } from './testing.ts';

let h: MoneyHarness;
let userId: string;
let adminId: string;
let purchaseId: string;
let intentId: string;
beforeAll(async () => {
  h = await createMoneyHarness();
  adminId = await h.newUser();
  await h.test.database.asService(
    (tx) => tx.sql`insert into identity.user_roles (user_id, role) values (${adminId}, 'admin')`,
  );
});
afterAll(() => h.close());
beforeEach(async () => {
  userId = await h.newUser();
  ({ intentId } = await h.pay(await h.checkout(userId, 'addon_tokens', 'tokens_100k')));
  await h.deliverAll();
  purchaseId = (await h.money.purchases.page(userId, undefined, 1)).rows[0]?.id ?? '';
});

const refunds = () => h.money.purchases.buying.refunds;
const ask = (amountMinor: number | undefined, requestKey: string = randomUUID(), reason = 'bought by mistake') =>
  refunds().request({ purchaseId, amountMinor, reason, requestKey, requestedBy: adminId });
const sent = () => h.offline.store.list('refund', ({ payment_intent }) => payment_intent === intentId);
const purchase = async () => (await h.money.purchases.page(userId, undefined, 1)).rows[0];

test('a part, then the rest; more than that is refused', async () => {
  expect(await ask(200)).toMatchObject({
    status: 'succeeded',
    amountMinor: 200,
    origin: 'operator',
    requestedBy: adminId,
  });
  expect(await purchase()).toMatchObject({ status: 'partially_refunded', unitsRevoked: 40_000 });
  await expect(ask(301)).rejects.toMatchObject({ code: 'billing.refund_too_large', details: { leftMinor: 300 } });
  expect(await ask(undefined)).toMatchObject({ status: 'succeeded', amountMinor: 300 });
  expect(await purchase()).toMatchObject({ status: 'refunded', unitsRevoked: 100_000 });
  expect(await h.boughtTokens(userId)).toBe(0);
  await expect(ask(undefined)).rejects.toMatchObject({ code: 'billing.refund_too_large' });
});

test('the same key refunds once, at the same moment too; with another amount or reason it is refused', async () => {
  const key = randomUUID();
  const both = await Promise.all([ask(100, key), ask(100, key), ask(100, key)]);
  expect(new Set(both.map(({ id }) => id)).size).toBe(1);
  expect(sent()).toHaveLength(1);
  await expect(ask(101, key)).rejects.toMatchObject({ code: 'billing.idempotency_conflict' });
  await expect(ask(100, key, 'another reason')).rejects.toMatchObject({ code: 'billing.idempotency_conflict' });
});

test('a request for what is left is another one than a request for as much, and the same when it comes again', async () => {
  const [key, other] = [randomUUID(), randomUUID()];
  const all = await ask(undefined, key);
  expect((await ask(undefined, key)).id).toBe(all.id);
  await expect(ask(all.amountMinor, key)).rejects.toMatchObject({ code: 'billing.idempotency_conflict' });
  expect(sent()).toHaveLength(1);
  await expect(ask(1, other)).rejects.toMatchObject({ code: 'billing.refund_too_large' });
});

test('what was asked for by an amount is not asked for again by none', async () => {
  const key = randomUUID();
  await ask(100, key);
  await expect(ask(undefined, key)).rejects.toMatchObject({ code: 'billing.idempotency_conflict' });
  expect(sent()).toHaveLength(1);
});

test('requests at the same moment never give back more than was paid', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => ask(200)));
  const accepted = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  // None is promised that the provider then has to refuse.
  expect(accepted.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  await refunds().sendDue();
  await h.deliverAll();
  const refunded = sent().reduce((sum, { amount }) => sum + amount, 0);
  expect(refunded).toBe(400);
  expect(await purchase()).toMatchObject({ refundedMinor: 400 });
});

test('a provider that is away is asked again by the job, under the same key', async () => {
  h.offline.failNext(100, 500);
  const asked = await ask(500);
  expect(asked).toMatchObject({ status: 'requested', errorCode: 'api_error' });
  expect(await purchase()).toMatchObject({ status: 'paid' });
  h.offline.failNext(0, 500);
  await h.test.database.asService(
    (tx) => tx.sql`update billing.refunds set next_attempt_at = now() where id = ${asked.id}`,
  );
  const other = await h.anotherGateway();
  await Promise.all([refunds().sendDue(), other.purchases.buying.refunds.sendDue()]);
  expect(sent()).toHaveLength(1);
  expect(await purchase()).toMatchObject({ status: 'refunded' });
});

test('what the provider refuses for good has failed, and the purchase stays', async () => {
  h.offline.money.openDispute(intentId);
  h.newEvents();
  expect(await ask(500)).toMatchObject({ status: 'failed', errorCode: 'charge_disputed' });
});

test('what was paid through another provider is not given back through this one', async () => {
  const sql = postgres(h.test.ownerUrl, { max: 1, onnotice: () => {} });
  await sql`update billing.purchases set payment_provider = 'stripe_offline' where id = ${purchaseId}`;
  await sql.end();
  await expect(ask(100)).rejects.toMatchObject({ code: 'billing.other_provider' });
  expect(sent()).toHaveLength(0);
});

test('a refund at the provider itself is written down as its own', async () => {
  h.offline.money.refund(intentId, 100, { metadata: {}, reason: null });
  await h.deliverAll();
  await h.deliver(h.offline.store.list('event', ({ type }) => type === 'charge.refunded').slice(0, 1));
  const rows = await h.test.database.asService(
    (tx) =>
      tx.sql`select origin, amount_minor::int as amount, status from billing.refunds where purchase_id = ${purchaseId}`,
  );
  expect(rows).toEqual([{ origin: 'provider', amount: 100, status: 'succeeded' }]);
});

test('a look that began earlier and comes later changes nothing', async () => {
  const db = h.test.database;
  const row = await purchase();
  const paymentId = row?.paymentRowId ?? '';
  const ids = { sessionId: null, intentId, invoiceId: null, subscriptionId: null };
  const facts = {
    ...ids,
    status: 'succeeded',
    amountMinor: 500,
    currency: 'jpy',
    dispute: 'none',
    refunds: [],
  } as const;
  const apply = (sync: number, refundedMinor: number) =>
    db.asService((tx) => applyPayment(tx, h.money.products, paymentId, sync, { ...facts, refundedMinor }));
  await db.asService((tx) => tx.sql`update billing.payments set sync_issued = 1000 where id = ${paymentId}`);
  expect(await apply(900, 500)).toMatchObject({ changed: true });
  expect(await apply(899, 0)).toBeUndefined();
  expect(await apply(900, 0)).toBeUndefined();
  expect(await purchase()).toMatchObject({ status: 'refunded' });
});

test('operators search, refund and check over their interface; others see nothing', async () => {
  const calls = purchaseAdminCalls(h.money.purchases, h.money.tickets);
  const run = async (action: string, id: string, request: Partial<RouteRequest>, as = adminId) => {
    const call = calls.find((one) => one.action === action);
    const given = { query: new URLSearchParams(), ...request } as RouteRequest;
    return call?.run(given, id, { userId: as, sessionId: '', roles: ['admin'] });
  };
  const byPayment = { query: new URLSearchParams({ paymentId: intentId, userId, status: 'paid', limit: '1' }) };
  expect(await run('purchases.search', '', byPayment)).toMatchObject({
    body: { purchases: [{ purchaseId, userId, paymentId: intentId, provider: 'stripe' }], nextBefore: null },
  });
  // The setting alone opens nothing: row level security looks at the role itself.
  expect(await run('purchases.search', '', byPayment, await h.newUser())).toMatchObject({ body: { purchases: [] } });
  for (const wrong of [
    { userId: 'x' },
    { status: 'lost' },
    { limit: '0' },
    { before: '1' },
    { paymentId: '\0' },
  ] as Record<string, string>[])
    await expect(run('purchases.search', '', { query: new URLSearchParams(wrong) })).rejects.toMatchObject({
      code: 'protocol.invalid_body',
    });
  const body = { amountMinor: 100, reason: 'a gesture', requestKey: 'refund-0001' };
  expect(await run('purchases.refund', purchaseId, { body })).toMatchObject({
    status: 200,
    body: { status: 'succeeded' },
  });
  await expect(run('purchases.refund', 'nonsense', { body })).rejects.toMatchObject({
    code: 'billing.purchase_not_found',
  });
  await expect(run('purchases.refund', randomUUID(), { body })).rejects.toMatchObject({
    code: 'billing.purchase_not_found',
  });
  expect(await run('purchases.check', '', {})).toMatchObject({
    body: { tickets: [], overdue: { events: 0, oldestEventAt: null, refunds: 0 } },
  });
  await h.test.database.asService(
    (
      tx,
    ) => tx.sql`insert into billing.provider_events (provider, event_id, type, subject_kind, subject_id, created_at, received_at)
      values ('stripe', 'evt_old', 'invoice.paid', 'invoice', 'in_old', now(), now() - interval '1 hour')`,
  );
  expect(await run('purchases.check', '', {})).toMatchObject({
    body: { overdue: { events: 1, oldestEventAt: expect.any(String) } },
  });
});
