/** The webhook and the inbox: stored before it is answered, worked on afterwards, again and again until it works. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RouteRequest } from '../../http.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { readEvent } from './event-subject.ts';
import { EventInbox } from './inbox.ts';
import type { Event } from './offline/objects.ts';
import { sign } from './offline/webhooks.ts';
import type { Money } from './open-money.ts';

let h: MoneyHarness;
let userId: string;
beforeAll(async () => {
  h = await createMoneyHarness();
});
afterAll(() => h.close());
beforeEach(async () => {
  h.newEvents();
  userId = await h.newUser();
});

const secret = 'whsec_of_the_tests';
function post(money: Money, text: string, header = sign(text, secret, Math.floor(h.clock.now() / 1000))) {
  const route = money.routes().find(({ path }) => path === '/stripe/webhook');
  if (route === undefined) throw new Error('There is no webhook.');
  expect(route.takesBytes).toBe(true);
  const request = { headers: new Map([['stripe-signature', header]]), rawBody: Buffer.from(text) };
  return Promise.resolve(route.handle(request as unknown as RouteRequest, {}));
}
const send = (event: Event, to = h.money) => post(to, JSON.stringify(event));
const stored = (eventId: string) =>
  h.test.database.asService(
    (
      tx,
    ) => tx.sql`select type, subject_id, attempts, processed_at is not null as done, error from billing.provider_events
      where event_id = ${eventId}`,
  );
async function paidEvent(): Promise<Event> {
  await h.pay(await h.checkout(userId, 'addon_tokens', 'tokens_100k'));
  const event = h.newEvents().find(({ type }) => type === 'checkout.session.completed');
  if (event === undefined) throw new Error('The checkout was not completed.');
  return event;
}

describe('the webhook', () => {
  test('takes a signed event, answers, and the purchase follows', async () => {
    const event = await paidEvent();
    expect(await send(event)).toMatchObject({ status: 200 });
    await h.money.stripe?.inbox.work();
    expect(await h.boughtTokens(userId)).toBe(100_000);
    expect(await stored(event.id)).toMatchObject([{ done: true, attempts: 1, error: null }]);
  });

  test('the same event at two gateways at once, and later again, is worked on once', async () => {
    const other = await h.anotherGateway();
    const event = await paidEvent();
    await Promise.all([send(event), send(event, other), send(event), send(event, other)]);
    await Promise.all([h.money.stripe?.inbox.work(), other.stripe?.inbox.work()]);
    await send(event, other);
    expect(await stored(event.id)).toMatchObject([{ done: true, attempts: 1 }]);
    expect(await h.boughtTokens(userId)).toBe(100_000);
  });

  test('a wrong signature leaves nothing behind', async () => {
    const event = await paidEvent();
    const text = JSON.stringify(event);
    const wrong = sign(text, 'whsec_wrong', Math.floor(h.clock.now() / 1000));
    await expect(post(h.money, text, wrong)).rejects.toMatchObject({ code: 'billing.invalid_signature' });
    await expect(post(h.money, text, '')).rejects.toMatchObject({ code: 'billing.invalid_signature' });
    const tampered = text.replace('"livemode":false', '"livemode":true ');
    await expect(post(h.money, tampered, sign(text, secret, Math.floor(h.clock.now() / 1000)))).rejects.toMatchObject({
      code: 'billing.invalid_signature',
    });
    expect(await stored(event.id)).toEqual([]);
  });

  test('unknown types are accepted and done; what is signed and no event is refused', async () => {
    const about = {
      id: 'evt_unknown',
      object: 'event',
      type: 'radar.early_fraud_warning.created',
      created: 1,
      data: { object: {} },
    };
    expect(await post(h.money, JSON.stringify(about))).toMatchObject({ status: 200 });
    expect(await stored('evt_unknown')).toMatchObject([{ done: true, attempts: 0, subject_id: null }]);
    for (const odd of [
      '[]',
      '{}',
      'null',
      '"evt"',
      '{"object":"event"}',
      '{"object":"event","id":"evt_2","type":"a","created":"now"}',
    ])
      await expect(post(h.money, odd)).rejects.toMatchObject({ code: 'protocol.malformed' });
    await expect(post(h.money, '{"object":')).rejects.toMatchObject({ code: 'billing.invalid_signature' });
  });

  test('an event of the other world (live or test) is left alone', async () => {
    const event = { ...(await paidEvent()), livemode: true };
    expect(await post(h.money, JSON.stringify(event))).toMatchObject({ status: 200 });
    expect(await stored(event.id)).toEqual([]);
  });

  test('events about payments that are not ours are done without an effect', async () => {
    const { money, store } = h.offline;
    const customer = store.list('customer')[0] ?? { id: '' };
    await paidEvent();
    const buyer = customer.id === '' ? (store.list('customer')[0]?.id ?? '') : customer.id;
    money.succeed(
      money.newIntent({ amount: 900, currency: 'jpy', customer: buyer, metadata: { tsumugi_payment: 'not-a-uuid' } }),
    );
    await h.deliverAll();
    expect(await h.money.purchases.verify()).toEqual([]);
    const gone = {
      id: 'evt_gone',
      object: 'event',
      type: 'payment_intent.succeeded',
      created: 1,
      livemode: false,
      data: { object: { id: 'pi_gone' } },
    };
    await post(h.money, JSON.stringify(gone));
    await h.money.stripe?.inbox.work();
    expect(await stored('evt_gone')).toMatchObject([{ done: true }]);
  });
});

describe('work on events', () => {
  test('a gateway that dies between receipt and work loses nothing: another one does it', async () => {
    const event = await paidEvent();
    // The first gateway only gets as far as the answer.
    const dead = new EventInbox(h.test.database, 'stripe', { info() {}, warn() {}, error() {} });
    dead.on('checkout', () => Promise.resolve());
    await dead.stop();
    const read = readEvent(event);
    if (read === undefined) throw new Error('no event');
    expect(await dead.receive(read)).toBe(true);
    expect(await h.boughtTokens(userId)).toBe(0);
    const other = await h.anotherGateway();
    await other.stripe?.inbox.work();
    expect(await h.boughtTokens(userId)).toBe(100_000);
  });

  test('one that died in the middle of it is followed when its lease is over', async () => {
    const event = await paidEvent();
    let reached: () => void = () => {};
    const inWork = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const dying = new EventInbox(h.test.database, 'stripe', { info() {}, warn() {}, error() {} });
    dying.on('checkout', () => {
      reached();
      return new Promise(() => {});
    });
    const read = readEvent(event);
    if (read === undefined) throw new Error('no event');
    await dying.receive(read);
    await inWork;
    await h.money.stripe?.inbox.work();
    expect(await h.boughtTokens(userId)).toBe(0);
    await h.test.database.asService(
      (tx) => tx.sql`update billing.provider_events set next_attempt_at = now() where event_id = ${event.id}`,
    );
    await h.money.stripe?.inbox.work();
    expect(await h.boughtTokens(userId)).toBe(100_000);
    expect(await stored(event.id)).toMatchObject([{ done: true, attempts: 2 }]);
  });

  test('while the provider is away it is tried again, and in between its error is told without a body', async () => {
    const event = await paidEvent();
    await send(event);
    h.offline.failNext(100, 503);
    await h.money.stripe?.inbox.work();
    const [first] = await stored(event.id);
    expect(first).toMatchObject({ done: false, error: expect.stringContaining('ProviderError') });
    h.offline.failNext(0, 503);
    await h.test.database.asService(
      (tx) => tx.sql`update billing.provider_events set next_attempt_at = now() where event_id = ${event.id}`,
    );
    await h.money.stripe?.inbox.work();
    expect(await stored(event.id)).toMatchObject([{ done: true, error: null }]);
    expect(await h.boughtTokens(userId)).toBe(100_000);
  });

  test('many events about one thing are one look', async () => {
    await h.pay(await h.checkout(userId, 'addon_tokens', 'tokens_100k'));
    const event = h.newEvents().find(({ type }) => type === 'payment_intent.succeeded');
    if (event === undefined) throw new Error('not paid');
    await h.money.stripe?.inbox.stop();
    const other = await h.anotherGateway();
    const quiet = new EventInbox(h.test.database, 'stripe', { info() {}, warn() {}, error() {} });
    quiet.on('intent', () => Promise.resolve());
    await quiet.stop();
    for (let copy = 0; copy < 20; copy++) {
      const read = readEvent({ ...event, id: `${event.id}_${copy}` });
      if (read !== undefined) await quiet.receive(read);
    }
    const before = h.offline.requests;
    await other.stripe?.inbox.work();
    expect(h.offline.requests - before).toBeLessThan(20);
    expect(await h.boughtTokens(userId)).toBe(100_000);
  });
});
