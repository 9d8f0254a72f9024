/** Earned tokens become money at a rate: through the real ledger, never more than was earned, is there and is free. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listPayouts } from '../../../db/billing/payouts/payouts.ts';
import { freeTokens, setAside } from '../../../db/billing/payouts/tokens.ts';
import { createMoneyHarness, type MoneyHarness } from '../purchases/testing.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { PayoutRuns } from './run.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';
import { convert, TokenEarnings } from './token-earnings.ts';

const RATE = 12_500; // 0.0125 yen a token
let m: MoneyHarness;
let h: PayoutHarness;
let runs: PayoutRuns;
beforeAll(async () => {
  m = await createMoneyHarness();
  h = await createPayoutHarness({ database: m.test, policy: { tokenRateMicro: RATE, minimumMinor: {}, feeMinor: {} } });
  const parts = { db: h.db, clock: h.clock, creators: h.creators, policy: h.policy };
  runs = new PayoutRuns({ ...parts, tokens: new TokenEarnings({ ...parts, ledger: m.billing.ledger }) });
});
afterAll(() => m.close());

type Asset = 'token' | 'addon_token';
async function move(
  from: string,
  to: string,
  tokenAmount: number,
  purpose: 'generation' | 'sign_up_grant',
  asset: Asset = 'token',
) {
  const { ledger } = m.billing;
  const refs = await h.db.asService((tx) =>
    ledger.enqueue(tx, [
      { fromAccount: from, toAccount: to, asset, tokenAmount, purpose, idempotencyKey: randomUUID() },
    ]),
  );
  await ledger.settled(refs);
}
const accountOf = (userId: string) => h.db.asService((tx) => m.billing.ledger.accountOf(tx, userId));
const balanceOf = (account: string, asset: Asset = 'token') =>
  h.db.asService(async (tx) => {
    const [row] =
      await tx.sql`select balance::int as balance from billing.account_balances where account_id = ${account} and asset = ${asset}`;
    return Number(row?.['balance'] ?? 0);
  });
/** Waits until nothing is pending. */
const booked = () => m.billing.ledger.bookPending();
let months = 2;
/** The month after the last one; entries of today are past their holding time in it. */
async function runNext(): Promise<string> {
  months += 1;
  const now = new Date();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months - 1, 1)).toISOString().slice(0, 7);
  h.moveTo(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 5)).toISOString());
  await runs.run(month, null);
  return month;
}
const payoutsOf = (creatorId: string) => h.db.asService((tx) => listPayouts(tx, { creatorId, limit: 10 }));

test('what makes no whole unit stays a token, and nothing is given up for nothing', () => {
  expect(convert(79, RATE)).toEqual({ minor: 0, tokens: 0 });
  expect(convert(81, RATE)).toEqual({ minor: 1, tokens: 80 });
  expect(convert(1000, 0)).toEqual({ minor: 0, tokens: 0 });
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.integer({ min: 1, max: 1_000_000 }), (tokens, rate) => {
      const made = convert(tokens, rate);
      expect(made.tokens).toBeLessThanOrEqual(tokens);
      expect((BigInt(made.tokens) * BigInt(rate)) / 1_000_000n).toBe(BigInt(made.minor));
      expect((BigInt(tokens) * BigInt(rate)) / 1_000_000n).toBe(BigInt(made.minor));
    }),
  );
});

test('an owner is paid for what he earned, not for what he was granted, and his tokens go back', async () => {
  const owner = await h.newCreator();
  const [mine, payer] = [await accountOf(owner.userId), await accountOf(await h.newUser())];
  const platform = m.billing.ledger.platformAccountFor(mine);
  await move(m.billing.ledger.platformAccountFor(payer), payer, 100_000, 'sign_up_grant');
  await move(platform, mine, 5000, 'sign_up_grant');
  await move(payer, mine, 8050, 'generation');
  const month = await runNext();
  await booked();
  const [payout] = await payoutsOf(owner.creatorId);
  // 8050 × 0.0125 = 100.6: a hundred yen for 8000 tokens.
  expect(payout).toMatchObject({
    month,
    shareMinor: 100,
    grossMinor: 100,
    platformMinor: 0,
    amountMinor: 100,
    lineCount: 1,
  });
  expect(await balanceOf(mine)).toBe(5050);
  const [entry] = await h.db.asService(
    (tx) => tx.sql`select purpose, token_amount::int as amount, unit_price_micro::int as price, to_account
    from billing.token_ledger where from_account = ${mine}`,
  );
  expect(entry).toEqual({ purpose: 'payout_conversion', amount: 8000, price: RATE, to_account: platform });
  // Again, and in the next month: the fifty that are left make no yen.
  await runs.run(month, null);
  await runNext();
  await booked();
  expect(await balanceOf(mine)).toBe(5050);
  expect(await h.db.asService((tx) => tx.sql`select id from billing.holds where account_id = ${mine}`)).toEqual([]);
});

test('of what is spent or held nothing is taken', async () => {
  const owner = await h.newCreator();
  const [mine, payer] = [await accountOf(owner.userId), await accountOf(await h.newUser())];
  await move(m.billing.ledger.platformAccountFor(payer), payer, 100_000, 'sign_up_grant');
  await move(payer, mine, 10_000, 'generation');
  await move(mine, m.billing.ledger.platformAccountFor(mine), 2000, 'generation');
  await h.db.asService((tx) => setAside(tx, randomUUID(), mine, 'token', 4000));
  expect(await h.db.asService((tx) => freeTokens(tx, mine, 'token'))).toBe(4000);
  await runNext();
  // Before the entry is booked: what it will take is held already.
  expect(await h.db.asService((tx) => freeTokens(tx, mine, 'token'))).toBe(0);
  await booked();
  expect(await payoutsOf(owner.creatorId)).toMatchObject([{ amountMinor: 50 }]);
  expect(await balanceOf(mine)).toBe(4000);
});

test('and all of it adds up, in the payouts and in the ledger', async () => {
  expect((await reconcilePayouts(h.db)).faults).toEqual([]);
  expect(await m.billing.verifyChain()).toMatchObject({ ok: true });
});
