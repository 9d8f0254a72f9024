/** From the buyer's card to the creator's bank: a thing of another domain is bought, refunded in part, disputed, won, paid out. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listPayouts } from '../../../db/billing/payouts/payouts.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { StripePayoutProvider } from '../stripe/payout-provider.ts';
import { entitledProduct } from '../tickets/entitled-product.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { moveByOperator } from './states.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';
import { Transfers } from './transfers.ts';

let m: MoneyHarness;
let h: PayoutHarness;
let author: { userId: string; creatorId: string };
beforeAll(async () => {
  m = await createMoneyHarness();
  h = await createPayoutHarness({ database: m.test });
  author = await h.newCreator();
  m.money.products.sales = h.earnings;
  m.money.products.add(
    entitledProduct(m.money.entitlements, {
      type: 'prompt',
      checkExists: () => Promise.resolve(true),
      priceOf: (_, id) =>
        Promise.resolve({
          amountMinor: id === 'free' ? 0 : 1980,
          currency: 'jpy',
          name: { en: 'A prompt', ja: 'プロンプト' },
        }),
      creatorOf: (_, { itemId }) => Promise.resolve(itemId === 'ours' ? undefined : author.userId),
    }),
  );
});
afterAll(() => m.close());

const earned = async () =>
  await h.db.asService(
    (tx) => tx.sql<{ kind: string; gross: number; creator: number; item: string }[]>`
    select kind, gross_minor::int as gross, creator_minor::int as creator, product_id as item from billing.creator_earnings
    where creator_id = ${author.creatorId} order by created_at, id`,
  );
const buy = async (item: string) => {
  const paid = await m.pay(await m.checkout(await m.newUser(), 'prompt', item));
  await m.deliverAll();
  return paid;
};

test('a purchase and what becomes of its money is counted for its creator, whatever the order and number of events', async () => {
  const { intentId } = await buy('one');
  await buy('ours');
  expect(await earned()).toEqual([{ kind: 'sale', gross: 1980, creator: 1386, item: 'one' }]);
  // A part: the buyer keeps the thing, the creator loses his share of the part.
  m.offline.money.refund(intentId, 500, { metadata: {}, reason: null });
  await m.deliverAll();
  const dispute = m.offline.money.openDispute(intentId);
  await m.deliverAll();
  expect((await earned()).reduce((sum, { creator }) => sum + creator, 0)).toBe(0);
  m.offline.money.closeDispute(dispute.id, 'won');
  const news = m.newEvents();
  await m.deliver([...news].reverse());
  await m.deliver(news);
  expect(await earned()).toEqual([
    { kind: 'sale', gross: 1980, creator: 1386, item: 'one' },
    { kind: 'refund', gross: -500, creator: -350, item: 'one' },
    { kind: 'refund', gross: -1480, creator: -1036, item: 'one' },
    { kind: 'refund_undone', gross: 1480, creator: 1036, item: 'one' },
  ]);
  expect(await reconcilePayouts(h.db)).toMatchObject({
    ok: true,
    totals: [{ currency: 'JPY', grossMinor: 1480, creatorMinor: 1036 }],
  });
});

test('and reaches the creator’s account', async () => {
  const stripe = m.money.stripe?.stripe;
  if (stripe === undefined) throw new Error('no stripe');
  const provider = new StripePayoutProvider(stripe, 'stripe');
  const { providerAccountId } = await provider.createAccount({ payoutAccountId: author.creatorId, country: 'JP' });
  m.offline.connect.setPayoutsEnabled(providerAccountId, true);
  await h.db.asService(
    (tx) => tx.sql`
    insert into billing.payout_accounts (id, creator_id, user_id, provider, provider_account_id, country, payouts_enabled, is_default)
    values (${author.creatorId}, ${author.creatorId}, ${author.userId}, 'stripe', ${providerAccountId}, 'JP', true, true)`,
  );
  await buy('two');
  // Months on: the sales of today are past their holding time.
  const later = new Date(Date.now() + 80 * 86_400_000);
  h.moveTo(later.toISOString());
  const month = new Date(Date.UTC(later.getUTCFullYear(), later.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
  await h.runs.run(month, null);
  const [payout] = await h.db.asService((tx) => listPayouts(tx, { creatorId: author.creatorId, limit: 1 }));
  const amount = 1036 + 1386 - 50;
  expect(payout).toMatchObject({ month, amountMinor: amount, status: 'pending', lineCount: 5 });
  const operator = { type: 'admin', userId: author.userId } as const;
  await h.db.asService((tx) => moveByOperator(tx, payout?.payoutId ?? '', 'approved', operator, h.clock.now()));
  const log = { info() {}, warn() {} };
  expect(await new Transfers({ db: h.db, clock: h.clock, provider, log }).sendDue()).toBe(1);
  expect(m.offline.store.list('transfer')).toMatchObject([{ amount, currency: 'jpy', destination: providerAccountId }]);
  expect((await reconcilePayouts(h.db)).faults).toEqual([]);
});
