/** Whatever happens to a purchase, and however its events arrive: late, in any order, again, at two gateways, or some of them never. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Event } from '../stripe/offline/objects.ts';
import type { Money } from '../stripe/open-money.ts';
import { createMoneyHarness, type MoneyHarness } from './testing.ts';

let h: MoneyHarness;
let other: Money;
beforeAll(async () => {
  h = await createMoneyHarness();
  other = await h.anotherGateway();
});
afterAll(() => h.close());

type Step =
  | { do: 'refund'; share: number }
  | { do: 'fail_refund' }
  | { do: 'dispute' }
  | { do: 'close_dispute'; won: boolean }
  | { do: 'deliver'; places: number[]; otherGateway: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('refund' as const), share: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ do: fc.constant('fail_refund' as const) }),
  fc.record({ do: fc.constant('dispute' as const) }),
  fc.record({ do: fc.constant('close_dispute' as const), won: fc.boolean() }),
  fc.record({
    do: fc.constant('deliver' as const),
    places: fc.array(fc.nat({ max: 30 }), { maxLength: 6 }),
    otherGateway: fc.boolean(),
  }),
);

function live(intentId: string, { offline }: MoneyHarness, one: Exclude<Step, { do: 'deliver' }>): void {
  const { store, money } = offline;
  const charge = store.list('charge', (found) => found.payment_intent === intentId)[0];
  const left = (charge?.amount ?? 0) - (charge?.amount_refunded ?? 0);
  const disputes = store.list('dispute', (found) => found.payment_intent === intentId);
  const isOpen = disputes.some(({ status }) => status === 'needs_response');
  if (one.do === 'refund' && left > 0 && !disputes.some(({ status }) => status !== 'won'))
    money.refund(intentId, Math.max(1, Math.floor((left * one.share) / 100)), { metadata: {}, reason: null });
  if (one.do === 'fail_refund') {
    const refund = store.list(
      'refund',
      (found) => found.payment_intent === intentId && found.status === 'succeeded',
    )[0];
    if (refund !== undefined) money.failRefund(refund.id);
  }
  if (one.do === 'dispute' && disputes.length === 0) money.openDispute(intentId);
  if (one.do === 'close_dispute' && isOpen) money.closeDispute(disputes[0]?.id ?? '', one.won ? 'won' : 'lost');
}

/** What must be there, from the provider's own books. */
function expected(intentId: string) {
  const { store } = h.offline;
  const charge = store.list('charge', (found) => found.payment_intent === intentId)[0];
  const states = store.list('dispute', (found) => found.payment_intent === intentId).map(({ status }) => status);
  const refunded = charge?.amount_refunded ?? 0;
  const amount = charge?.amount ?? 0;
  const gone = states.includes('needs_response') || states.includes('lost');
  return { refundedMinor: refunded, left: gone ? 0 : 100_000 - Math.floor((100_000 * refunded) / amount) };
}

test('001-R23, 001-R61: the events of a purchase’s life end in the same state in any order, any number of times', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 0, max: 1_000_000 }), async (steps, seed) => {
      const userId = await h.newUser();
      h.newEvents();
      const { intentId } = await h.pay(await h.checkout(userId, 'addon_tokens', 'tokens_100k'));
      const events: Event[] = h.newEvents();
      for (const one of steps) {
        if (one.do === 'deliver') {
          const some = one.places.flatMap((place) => events[place % events.length] ?? []);
          await h.deliver(some, one.otherGateway ? other : h.money);
        } else {
          live(intentId, h, one);
          events.push(...h.newEvents());
        }
        expect(await h.money.purchases.verify()).toEqual([]);
      }
      // In the end everything that was not heard arrives, shuffled, at both gateways at once, and some of it twice.
      const shuffled = events.map((event, place) => ({ event, key: ((place + 1) * 7_919 + seed) % 1_009 }));
      const late = shuffled.sort((a, b) => a.key - b.key).map(({ event }) => event);
      await Promise.all([h.deliver(late), h.deliver(late, other)]);
      const want = expected(intentId);
      const { rows } = await h.money.purchases.page(userId, undefined, 10);
      expect(rows).toHaveLength(1);
      expect(rows[0]).toMatchObject({ paymentId: intentId, refundedMinor: want.refundedMinor });
      expect((rows[0]?.units ?? 0) - (rows[0]?.unitsRevoked ?? 0)).toBe(want.left);
      expect(await h.boughtTokens(userId)).toBe(want.left);
    }),
    { numRuns: 25 },
  );
  expect(await h.money.purchases.verify()).toEqual([]);
  expect(await h.billing.verifyChain()).toMatchObject({ ok: true, problems: [] });
});

test('one event of the purchase is enough, whichever it is', async () => {
  const userId = await h.newUser();
  h.newEvents();
  await h.pay(await h.checkout(userId, 'addon_tokens', 'tokens_100k'));
  const about = h.newEvents().filter(({ type }) => /^(checkout|payment_intent|charge)\./.test(type));
  expect(about.length).toBeGreaterThanOrEqual(4);
  for (const event of about) {
    const buyer = await h.newUser();
    h.newEvents();
    await h.pay(await h.checkout(buyer, 'addon_tokens', 'tokens_100k'));
    const same = h.newEvents().find(({ type }) => type === event.type);
    await h.deliver(same === undefined ? [] : [same]);
    expect([event.type, await h.boughtTokens(buyer)]).toEqual([event.type, 100_000]);
  }
});

test('without any event the job finds what was paid, also where the answer of the checkout never arrived', async () => {
  const userId = await h.newUser();
  const checkout = await h.checkout(userId, 'addon_tokens', 'tokens_100k');
  await h.pay(checkout);
  const forgotten = await h.checkout(userId, 'tickets', 'tickets_5');
  await h.pay(forgotten);
  h.newEvents();
  await h.test.database.asService(async (tx) => {
    // As after a crash: the provider has made the session, our row does not know it.
    await tx.sql`update billing.payments set session_id = null, session_url = null where id = ${forgotten.paymentId}`;
  });
  await quiet(userId);
  await h.money.purchases.buying.sync.syncQuiet();
  expect(await h.boughtTokens(userId)).toBe(100_000);
  const lost = h.offline.store.list('event', ({ data }) => {
    const { metadata = {} } = data.object as { metadata?: Record<string, string> };
    return metadata['tsumugi_payment'] === forgotten.paymentId;
  });
  await h.deliver(lost);
  expect((await h.money.tickets.page(userId, undefined, 10)).balance).toBe(5);
});

/** As if nothing had been heard of this person's payments for a day. */
async function quiet(userId: string): Promise<void> {
  const { default: postgres } = await import('postgres');
  const sql = postgres(h.test.ownerUrl, { max: 1, onnotice: () => {} });
  await sql`update billing.payments set created_at = created_at - interval '1 day', synced_at = synced_at - interval '1 day'
    where user_id = ${userId} and session_id is not null`;
  await sql.end();
}
