/**
 * Random sales, refunds, cancellations and runs against an oracle that knows nothing of tables: after every month each creator has
 * been paid exactly what the rules say, and everything adds up to zero.
 */
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listPayouts } from '../../../db/billing/payouts/payouts.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { moveByOperator } from './states.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';

const DAY_MS = 86_400_000;
const START = Date.parse('2026-01-01T00:00:00Z');
const at = (day: number) => new Date(START + day * DAY_MS).toISOString();
const rules = { shareBps: 6667, holdingDays: 10, minimumMinor: { JPY: 500 }, feeMinor: { JPY: 30 }, timeZone: 'UTC' };
const monthEnds = [31, 59, 90, 120, 151];

type Step =
  | { do: 'sell'; creator: number; gross: number; day: number }
  | { do: 'refund'; sale: number; amount: number }
  | { do: 'cancel'; payout: number }
  | { do: 'run' };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('sell' as const),
      creator: fc.nat(2),
      gross: fc.integer({ min: 1, max: 3000 }),
      day: fc.nat(120),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('refund' as const),
      sale: fc.nat(30),
      amount: fc.integer({ min: 1, max: 3000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), payout: fc.nat(10) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('run' as const) }) },
);

/** The rules once more, in the plainest way: each sale remembers what of it was settled, each creator what he is owed. */
class Oracle {
  readonly sales: { creator: number; gross: number; left: number; day: number; settled: number }[] = [];
  readonly owed = [0, 0, 0];
  readonly paid: { creator: number; amount: number; month: number; isCanceled: boolean }[] = [];
  month = 0;

  run(): void {
    const end = monthEnds[this.month] ?? 0;
    for (const sale of this.sales) {
      if (sale.day + rules.holdingDays >= end) continue;
      const due = Math.floor((sale.left * rules.shareBps) / 10_000);
      this.owed[sale.creator] = (this.owed[sale.creator] ?? 0) + due - sale.settled;
      sale.settled = due;
    }
    for (const creator of [0, 1, 2]) {
      const amount = (this.owed[creator] ?? 0) - rules.feeMinor.JPY;
      if (amount < rules.minimumMinor.JPY) continue;
      this.paid.push({ creator, amount, month: this.month, isCanceled: false });
      this.owed[creator] = 0;
    }
    this.month += 1;
  }
}

let shared: TestDatabase;
beforeAll(async () => {
  shared = await createTestDatabase();
});
afterAll(() => shared.close());

/** A database that has seen no run: the tables are emptied by their owner, since the server cannot. */
async function fresh(): Promise<PayoutHarness> {
  const sql = postgres(shared.ownerUrl, { max: 1, onnotice: () => {} });
  for (const name of ['payout_events', 'payout_line_items', 'creator_earnings', 'creator_shares'])
    await sql.unsafe(`alter table billing.${name} disable trigger user`);
  await sql`delete from billing.payout_events`;
  await sql`delete from billing.payout_line_items`;
  await sql`delete from billing.payouts`;
  await sql`delete from billing.payout_runs`;
  await sql`delete from billing.creator_earnings`;
  await sql.end();
  return createPayoutHarness({ database: shared, policy: { ...rules, needsApproval: true } });
}

test('any history pays what the rules say, and sums to zero', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), async (steps) => {
      const h = await fresh();
      const oracle = new Oracle();
      const creators = [await h.newCreator(), await h.newCreator(), await h.newCreator()];
      const purchases: string[] = [];
      const nameOf = (creatorId: string) => creators.findIndex((one) => one.creatorId === creatorId);
      const readPayouts = async () =>
        (await h.db.asService((tx) => listPayouts(tx, { limit: 100 }))).filter(({ amountMinor }) => amountMinor > 0);
      for (const one of [...steps, { do: 'run' } as const]) {
        const refunded = one.do === 'refund' ? oracle.sales[one.sale] : undefined;
        if (one.do === 'sell' && one.day >= (monthEnds[oracle.month - 1] ?? 0) - rules.holdingDays) {
          oracle.sales.push({ creator: one.creator, gross: one.gross, left: one.gross, day: one.day, settled: 0 });
          purchases.push(await h.sell(creators[one.creator]?.userId ?? '', one.gross, at(one.day)));
        } else if (one.do === 'refund' && refunded !== undefined) {
          refunded.left = Math.max(0, refunded.left - one.amount);
          await h.refund(purchases[one.sale] ?? '', one.amount, at(100));
        } else if (one.do === 'cancel') {
          const mine = oracle.paid[one.payout];
          if (mine === undefined || mine.isCanceled) continue;
          const payout = (await readPayouts()).find(
            ({ creatorId, month }) => nameOf(creatorId) === mine.creator && month === `2026-0${mine.month + 1}`,
          );
          mine.isCanceled = true;
          oracle.owed[mine.creator] = (oracle.owed[mine.creator] ?? 0) + mine.amount + rules.feeMinor.JPY;
          const operator = { type: 'admin', userId: creators[0]?.userId ?? '' } as const;
          await h.db.asService((tx) => moveByOperator(tx, payout?.payoutId ?? '', 'canceled', operator, START));
        } else if (one.do === 'run' && oracle.month < monthEnds.length) {
          h.moveTo(at((monthEnds[oracle.month] ?? 0) + 5));
          await h.runs.run(`2026-0${oracle.month + 1}`, null);
          oracle.run();
        }
        const made = (await readPayouts()).map(
          (row) => `${row.month} ${nameOf(row.creatorId)} ${row.amountMinor} ${row.status}`,
        );
        const expected = oracle.paid.map(
          (row) => `2026-0${row.month + 1} ${row.creator} ${row.amount} ${row.isCanceled ? 'canceled' : 'pending'}`,
        );
        expect(made.sort()).toEqual(expected.sort());
      }
      expect(await reconcilePayouts(h.db)).toMatchObject({ ok: true, faults: [] });
    }),
    { numRuns: 25 },
  );
});

test('what does not add up is found: each kind of fault, made by the owner of the tables', async () => {
  const h = await fresh();
  const { userId } = await h.newCreator();
  const purchase = await h.sell(userId, 10_000, at(1));
  await h.sell(userId, 10_000, at(2));
  h.moveTo(at(36));
  await h.runs.run('2026-01', null);
  expect((await reconcilePayouts(h.db)).ok).toBe(true);
  const sql = postgres(shared.ownerUrl, { max: 1, onnotice: () => {} });
  const faultsAfter = async (change: string) => {
    await sql.unsafe('begin');
    await sql.unsafe(change);
    await sql.unsafe('commit');
    return [...new Set((await reconcilePayouts(h.db)).faults.map(({ what }) => what))].sort();
  };
  expect(
    await faultsAfter(`update billing.creator_earnings set creator_minor = creator_minor - 1, platform_minor = platform_minor + 1
    where purchase_id = '${purchase}'`),
  ).toEqual(['creators', 'payout_lines', 'purchase_share']);
  expect(
    await faultsAfter(`update billing.creator_earnings set creator_minor = creator_minor + 1, platform_minor = platform_minor - 1
    where purchase_id = '${purchase}'`),
  ).toEqual([]);
  expect(await faultsAfter(`update billing.payouts set opening_minor = 5, fee_minor = fee_minor + 5`)).toEqual([
    'creators',
    'payout_opening',
  ]);
  expect(await faultsAfter(`update billing.payouts set opening_minor = 0, fee_minor = fee_minor - 5`)).toEqual([]);
  expect(await faultsAfter(`update billing.payouts set status = 'canceled'`)).toEqual(['payout_returned']);
  expect(
    await faultsAfter(
      `delete from billing.payout_line_items where earning_id in (select id from billing.creator_earnings where purchase_id = '${purchase}')`,
    ),
  ).toEqual(['creators', 'earning_left_out', 'payout_lines', 'payout_returned']);
  await sql.end();
});
