/** The real SDK, unchanged, against the local Stripe server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../../../clock.ts';
import { createStripe } from '../client.ts';
import { parseForm } from './form.ts';
import { type OfflineStripe, startOfflineStripe } from './server.ts';

const secretKey = 'sk_test_right';
const DAY_MS = 86_400_000;
let offline: OfflineStripe;
let stripe: Stripe;
let customer: string;
const clock = new ManualClock(Date.UTC(2026, 0, 31));
beforeAll(async () => {
  offline = await startOfflineStripe({ secretKey, clock });
  stripe = createStripe({ secretKey, apiBase: offline.url });
  customer = (await stripe.customers.create({ metadata: { tsumugi_user: 'u1' } })).id;
});
afterAll(() => offline.close());

const monthly = (amount: number, name = 'Pro') => ({
  currency: 'jpy',
  unit_amount: amount,
  product_data: { name },
  recurring: { interval: 'month' as const },
});
const session = (params: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: 'payment',
    customer,
    line_items: [
      { quantity: 2, price_data: { currency: 'jpy', unit_amount: 300, product_data: { name: 'Tickets & <more>' } } },
    ],
    success_url: 'https://talk.example.org/back',
    cancel_url: 'https://talk.example.org/cancel',
    ...params,
  });
const page = (url: string | null, action?: string) =>
  fetch(url ?? '', {
    redirect: 'manual',
    ...(action === undefined ? {} : { method: 'POST', body: new URLSearchParams({ action }) }),
  });

describe('the protocol', () => {
  test('a wrong key, a missing object, a missing and a wrong parameter fail as they do at Stripe', async () => {
    const stranger = new Stripe('sk_test_wrong', {
      host: '127.0.0.1',
      port: new URL(offline.url).port,
      protocol: 'http',
    });
    await expect(stranger.customers.create({})).rejects.toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
    await expect(stripe.customers.retrieve('cus_none')).rejects.toMatchObject({
      code: 'resource_missing',
      statusCode: 404,
    });
    await expect(stripe.refunds.create({})).rejects.toMatchObject({
      code: 'parameter_missing',
      param: 'payment_intent',
    });
    await expect(
      session({ line_items: [{ price_data: { currency: 'jpy', unit_amount: -1, product_data: { name: 'x' } } }] }),
    ).rejects.toMatchObject({ type: 'StripeInvalidRequestError' });
    await expect(stripe.balance.retrieve()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('the same idempotency key gives the same object, other parameters are refused', async () => {
    const first = await stripe.customers.create({ email: 'a@example.com' }, { idempotencyKey: 'k1' });
    const again = await stripe.customers.create({ email: 'a@example.com' }, { idempotencyKey: 'k1' });
    expect(again.id).toBe(first.id);
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    await expect(stripe.customers.create({ email: 'b@example.com' }, { idempotencyKey: 'k1' })).rejects.toBeInstanceOf(
      Stripe.errors.StripeIdempotencyError,
    );
    await expect(stripe.refunds.create({ payment_intent: 'pi_none' }, { idempotencyKey: 'k2' })).rejects.toMatchObject({
      statusCode: 404,
    });
    await expect(stripe.refunds.create({ payment_intent: 'pi_none' }, { idempotencyKey: 'k2' })).rejects.toMatchObject({
      statusCode: 404,
    });
  });

  test('a server that fails is asked again by the SDK', async () => {
    offline.failNext(1, 500);
    expect((await stripe.customers.retrieve(customer)).id).toBe(customer);
    offline.failNext(1, 0);
    expect((await stripe.customers.retrieve(customer)).id).toBe(customer);
  });

  test('lists come in pages, newest first', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++)
      made.unshift((await stripe.prices.create({ currency: 'jpy', unit_amount: i, product_data: { name: 'p' } })).id);
    const found: string[] = [];
    for await (const price of stripe.prices.list({ limit: 2 })) {
      found.push(price.id);
      if (found.length === 5) break;
    }
    expect(found).toEqual(made);
  });

  test('nested forms become objects and lists again', () => {
    expect(parseForm('a[b][0][c]=1&a[b][1][c]=2&d=%E7%B4%A1&e[]=x&e[]=y')).toEqual({
      a: { b: [{ c: '1' }, { c: '2' }] },
      d: '紡',
      e: ['x', 'y'],
    });
    expect(parseForm('__proto__[x]=1&constructor=2')).toEqual(expect.objectContaining({ constructor: '2' }));
    expect(({} as { x?: string }).x).toBeUndefined();
    expect(() => parseForm('a[b=1')).toThrow('Invalid name');
    expect(() => parseForm(`a${'[b]'.repeat(12)}=1`)).toThrow('deeply');
    expect(() => parseForm('a=1&'.repeat(3_000))).toThrow('Too many');
  });
});

describe('a checkout', () => {
  test('is paid on a page that says that no money moves, and shows what was written exactly', async () => {
    const made = await session({ locale: 'ja', payment_intent_data: { metadata: { tsumugi_payment: 'p1' } } });
    expect(made).toMatchObject({
      status: 'open',
      payment_status: 'unpaid',
      amount_total: 600,
      currency: 'jpy',
      livemode: false,
    });
    expect(made).not.toHaveProperty('offline');
    const html = await (await page(made.url)).text();
    expect(html).toContain('オフラインのテスト決済です');
    expect(html).toContain('Tickets &#38; &#60;more&#62; × 2');
    expect(html).toContain('¥600');
    const declined = await page(made.url, 'decline');
    expect(await declined.text()).toContain('カードが拒否されました');
    const paid = await page(made.url, 'pay');
    expect([paid.status, paid.headers.get('location')]).toEqual([303, 'https://talk.example.org/back']);
    const after = await stripe.checkout.sessions.retrieve(made.id, { expand: ['payment_intent.latest_charge'] });
    expect(after).toMatchObject({
      status: 'complete',
      payment_status: 'paid',
      url: null,
      payment_intent: {
        status: 'succeeded',
        metadata: { tsumugi_payment: 'p1' },
        latest_charge: { amount: 600, amount_refunded: 0 },
      },
    });
    expect((await page(made.url, 'pay')).status).toBe(303);
    expect(offline.store.list('charge', ({ status }) => status === 'succeeded')).toHaveLength(1);
  });

  test('is left, or expires after a day', async () => {
    const made = await session();
    expect((await page(made.url, 'cancel')).headers.get('location')).toBe('https://talk.example.org/cancel');
    clock.advance(DAY_MS + 1_000);
    expect(await stripe.checkout.sessions.retrieve(made.id)).toMatchObject({ status: 'expired', url: null });
    expect(await (await page(made.url ?? `${offline.url}/c/pay/${made.id}`)).text()).toContain('This checkout is over');
  });
});

describe('a subscription', () => {
  test('renews by the calendar, falls behind when the card is refused, and recovers', async () => {
    clock.advance(Math.max(0, Date.UTC(2026, 0, 31, 12) - clock.now()));
    const made = await session({
      mode: 'subscription',
      line_items: [{ quantity: 1, price_data: monthly(1980) }],
      subscription_data: { metadata: { plan: 'pro' } },
    });
    await page(made.url, 'pay');
    const { subscription } = await stripe.checkout.sessions.retrieve(made.id);
    const id = String(subscription);
    const read = () => stripe.subscriptions.retrieve(id);
    const first = await read();
    expect(first).toMatchObject({ status: 'active', metadata: { plan: 'pro' } });
    const endOf = (one: Stripe.Subscription) => (one.items.data[0]?.current_period_end ?? 0) * 1000;
    clock.advance(endOf(first) - clock.now());
    const second = await read();
    expect(endOf(second)).toBeGreaterThan(endOf(first));
    offline.subscriptions.setDeclines(id, true);
    clock.advance(endOf(second) - clock.now());
    const third = await read();
    expect(third.status).toBe('past_due');
    offline.subscriptions.setDeclines(id, false);
    await stripe.invoices.pay(String(third.latest_invoice));
    expect((await read()).status).toBe('active');
    const invoices = await stripe.invoices.list({ subscription: id });
    expect(
      invoices.data.map(({ status, amount_paid, billing_reason }) => [status, amount_paid, billing_reason]),
    ).toEqual([
      ['paid', 1980, 'subscription_cycle'],
      ['paid', 1980, 'subscription_cycle'],
      ['paid', 1980, 'subscription_create'],
    ]);
    await stripe.subscriptions.update(id, { cancel_at_period_end: true });
    clock.advance(endOf(third) - clock.now());
    expect(await read()).toMatchObject({ status: 'canceled', cancel_at_period_end: true });
  });

  test('is cancelled and resumed in the portal', async () => {
    const made = await session({
      mode: 'subscription',
      line_items: [{ price_data: monthly(980, 'Plus'), quantity: 1 }],
    });
    await page(made.url, 'pay');
    const id = String((await stripe.checkout.sessions.retrieve(made.id)).subscription);
    const portal = await stripe.billingPortal.sessions.create({
      customer,
      return_url: 'https://talk.example.org/',
      locale: 'en',
    });
    expect(await (await page(portal.url)).text()).toContain('Plus (active)');
    await page(portal.url, `cancel:${id}`);
    expect((await stripe.subscriptions.retrieve(id)).cancel_at_period_end).toBe(true);
    await page(portal.url, `resume:${id}`);
    expect((await stripe.subscriptions.retrieve(id)).cancel_at_period_end).toBe(false);
    expect((await page(portal.url, 'back')).headers.get('location')).toBe('https://talk.example.org/');
    const stranger = await stripe.customers.create({});
    const other = await stripe.billingPortal.sessions.create({
      customer: stranger.id,
      return_url: 'https://talk.example.org/',
    });
    expect((await page(other.url, `cancel:${id}`)).status).toBe(404);
  });
});

test('connect: an account is onboarded, paid and paid back', async () => {
  const account = await stripe.accounts.create({ type: 'express', country: 'JP' });
  const transfer = () =>
    stripe.transfers.create({ amount: 700, currency: 'jpy', destination: account.id, transfer_group: 'g' });
  await expect(transfer()).rejects.toMatchObject({ code: 'insufficient_capabilities_for_transfer' });
  const link = await stripe.accountLinks.create({
    account: account.id,
    type: 'account_onboarding',
    return_url: 'https://talk.example.org/',
    refresh_url: 'https://talk.example.org/',
  });
  expect(await (await page(link.url)).text()).toContain(account.id);
  await page(link.url, 'finish');
  expect(await stripe.accounts.retrieve(account.id)).toMatchObject({ payouts_enabled: true, details_submitted: true });
  const paid = await transfer();
  await stripe.transfers.createReversal(paid.id, { amount: 200 });
  expect(await stripe.transfers.retrieve(paid.id)).toMatchObject({ amount_reversed: 200, reversed: false });
  await expect(stripe.transfers.createReversal(paid.id, { amount: 501 })).rejects.toMatchObject({
    code: 'amount_too_large',
  });
});

test('what it holds outlives it where it is told a file; another one is not made over it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tsumugi-offline-'));
  const file = join(dir, 'offline-stripe.json');
  try {
    const before = await startOfflineStripe({ secretKey, clock, file });
    const secret = before.sendEventsTo('http://127.0.0.1:9/a');
    const made = await createStripe({ secretKey, apiBase: before.url }).customers.create({ metadata: { a: 'b' } });
    await before.close();
    const after = await startOfflineStripe({ secretKey, clock, file });
    expect(await createStripe({ secretKey, apiBase: after.url }).customers.retrieve(made.id)).toMatchObject({
      metadata: { a: 'b' },
    });
    expect(after.sendEventsTo('http://127.0.0.1:9/b')).toBe(secret);
    await after.close();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(expect.any(Array));
  } finally {
    rmSync(dir, { recursive: true });
  }
});
