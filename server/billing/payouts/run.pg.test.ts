/** The monthly run against a real database: periods, carrying over, crashes and races; states of payouts. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listPayoutEvents, listPayouts, type PayoutRow } from '../../../db/billing/payouts/payouts.ts';
import { findPeriod } from '../../../db/billing/payouts/runs.ts';
import { Database } from '../../../db/client.ts';
import { isAppError } from '../../errors.ts';
import { reconcilePayouts } from './reconciliation.ts';
import { PayoutRuns } from './run.ts';
import { moveByOperator } from './states.ts';
import { createPayoutHarness, type PayoutHarness, policy } from './testing.ts';

let h: PayoutHarness;
const opened: PayoutHarness[] = [];
beforeEach(async () => {
  h = await createPayoutHarness();
  opened.push(h);
});
afterEach(async () => {
  // Whatever a test did: in the end everything adds up.
  expect((await reconcilePayouts(h.db)).faults).toEqual([]);
  await h.database.close();
});
afterAll(() => expect(opened.length).toBeGreaterThan(10));

const code = (work: Promise<unknown>) =>
  work.then(() => 'done').catch((error) => (isAppError(error) ? error.code : String(error)));
const payoutsOf = async (creatorId?: string): Promise<PayoutRow[]> => {
  const all = await h.db.asService((tx) =>
    listPayouts(tx, { limit: 100, ...(creatorId === undefined ? {} : { creatorId }) }),
  );
  return all.reverse();
};
const operator = { type: 'admin', userId: '00000000-0000-4000-8000-0000000000aa', reason: 'because' } as const;
const runMonth = async (month: string, now: string) => {
  h.moveTo(now);
  return h.runs.run(month, null);
};

describe('a month', () => {
  test('has its sales, share, fee and net, and its lines (001-R29, 001-R30)', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 3000, '2026-01-05T00:00:00Z');
    const refunded = await h.sell(userId, 1001, '2026-01-06T00:00:00Z');
    await h.refund(refunded, 501, '2026-01-20T00:00:00Z');
    await h.sell(userId, 7777, '2026-01-25T00:00:00Z'); // waits till 4 February
    expect(await runMonth('2026-01', '2026-02-05T00:00:00Z')).toMatchObject({ made: 1 });
    expect(await payoutsOf(creatorId)).toMatchObject([
      {
        month: '2026-01',
        currency: 'JPY',
        timeZone: 'Asia/Tokyo',
        openingMinor: 0,
        grossMinor: 4001,
        refundsMinor: -501,
        shareMinor: 2100 + 700,
        clawbackMinor: -350,
        platformMinor: 900 + 301 - 151,
        feeMinor: 50,
        amountMinor: 2800 - 350 - 50,
        closingMinor: 0,
        lineCount: 3,
        status: 'pending',
      },
    ]);
  });

  test('that is below the minimum is carried, and paid with the next', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 1000, '2026-01-05T00:00:00Z');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    await h.sell(userId, 1000, '2026-02-05T00:00:00Z');
    await runMonth('2026-02', '2026-03-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject([
      { status: 'carried', amountMinor: 0, feeMinor: 0, closingMinor: 700 },
      { status: 'pending', openingMinor: 700, shareMinor: 700, feeMinor: 50, amountMinor: 1350, closingMinor: 0 },
    ]);
  });

  test('with refunds of what was paid before ends below zero, and the debt is worked off', async () => {
    const { userId, creatorId } = await h.newCreator();
    const purchase = await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    await h.refund(purchase, 10_000, '2026-02-20T00:00:00Z');
    await runMonth('2026-02', '2026-03-05T00:00:00Z');
    await h.sell(userId, 20_000, '2026-03-05T00:00:00Z');
    await runMonth('2026-03', '2026-04-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject([
      { status: 'pending', amountMinor: 6950 },
      { status: 'carried', clawbackMinor: -7000, amountMinor: 0, closingMinor: -7000 },
      { status: 'pending', openingMinor: -7000, shareMinor: 14_000, amountMinor: 6950, closingMinor: 0 },
    ]);
  });

  test('takes no sale that is refunded in full before its run', async () => {
    const { userId, creatorId } = await h.newCreator();
    const purchase = await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    await h.refund(purchase, 10_000, '2026-02-03T00:00:00Z');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject([
      { status: 'carried', amountMinor: 0, closingMinor: 0, lineCount: 2 },
    ]);
  });

  test('keeps currencies apart', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    await h.sell(userId, 10, '2026-01-05T00:00:00Z', 'usd');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    const made = await payoutsOf(creatorId);
    expect(made.map(({ currency, amountMinor }) => [currency, amountMinor]).sort()).toEqual([
      ['JPY', 6950],
      ['USD', 7],
    ]);
  });

  test('is paid once: again and by many at the same time changes nothing', async () => {
    const creators = await Promise.all(Array.from({ length: 12 }, () => h.newCreator()));
    for (const { userId } of creators) await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    h.moveTo('2026-02-05T00:00:00Z');
    const another = new Database(h.database.url);
    const gateways = [h.runs, new PayoutRuns({ db: another, clock: h.clock, creators: h.creators, policy: h.policy })];
    const reports = await Promise.all([...gateways, ...gateways].map((runs) => runs.run('2026-01', null)));
    await another.close();
    expect(reports.reduce((sum, { made }) => sum + made, 0)).toBe(12);
    expect(await h.runs.run('2026-01', null)).toMatchObject({ made: 0 });
    expect(await payoutsOf()).toHaveLength(12);
  });

  test('whose run broke off in the middle goes on where it was', async () => {
    const creators = await Promise.all(Array.from({ length: 5 }, () => h.newCreator()));
    for (const { userId } of creators) await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    h.moveTo('2026-02-05T00:00:00Z');
    let left = 3;
    const breaking = new PayoutRuns({
      db: h.db,
      clock: h.clock,
      creators: h.creators,
      policy: h.policy,
      beforeCreator: async () => {
        if (left-- === 0) throw new Error('the power went');
      },
    });
    await expect(breaking.run('2026-01', null)).rejects.toThrow('the power went');
    expect(await payoutsOf()).toHaveLength(3);
    // The server does it by itself as well: the month is due and not finished.
    expect(await h.runs.runDue()).toMatchObject({ made: 2, run: { finishedAtMs: expect.any(Number) } });
    expect(await h.runs.runDue()).toBeUndefined();
    expect(await payoutsOf()).toHaveLength(5);
  });

  test('cannot be run before its end in its zone, nor after a later one', async () => {
    h.moveTo('2026-02-28T14:59:59.999Z');
    expect(await code(h.runs.run('2026-02', null))).toBe('billing.payout_month_open');
    h.clock.advance(1);
    expect(await code(h.runs.run('2026-02', null))).toBe('done');
    expect(await code(h.runs.run('2026-01', null))).toBe('billing.payout_month_passed');
    for (const wrong of ['2026-13', '2026-1', "2026-01'; --", '', '0000-01'])
      expect(await code(h.runs.run(wrong, null))).toBe('protocol.invalid_body');
  });

  test('can be looked at before, and is then what was seen', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    h.moveTo('2026-01-20T00:00:00Z');
    const { payouts } = await h.runs.preview('2026-01');
    expect(await payoutsOf()).toEqual([]);
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject(payouts);
    expect((await h.runs.preview('2026-01')).payouts).toEqual([]);
  });

  test('leaves a suspended creator’s payout held', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    await h.db.asService((tx) => h.creators.setStatus(tx, creatorId, 'suspended'));
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject([{ status: 'held', amountMinor: 6950 }]);
  });
});

describe('months', () => {
  test.each([
    'Asia/Tokyo',
    'America/New_York',
    'Europe/Berlin',
    'America/Havana',
    'Asia/Beirut',
    'Pacific/Apia',
    'UTC',
  ])('of %s follow each other without a gap, also where clocks change at midnight', async (zone) => {
    const months = ['2025-10', '2025-11', '2025-12', '2026-01', '2026-02', '2026-03', '2026-04', '2026-10', '2026-11'];
    const periods = await h.db.asService((tx) => Promise.all(months.map((month) => findPeriod(tx, month, zone))));
    for (const [i, { startMs, endMs }] of periods.entries()) {
      expect(endMs).toBeGreaterThan(startMs + 27 * 86_400_000);
      if (i !== 0 && i !== 7) expect(startMs).toBe(periods[i - 1]?.endMs);
    }
  });

  test('of New York begin by its clock: an hour earlier in summer', async () => {
    const at = async (month: string) =>
      new Date((await h.db.asService((tx) => findPeriod(tx, month, 'America/New_York'))).startMs).toISOString();
    expect([await at('2026-03'), await at('2026-04')]).toEqual([
      '2026-03-01T05:00:00.000Z',
      '2026-04-01T04:00:00.000Z',
    ]);
  });

  test('take an earning that becomes available in their last millisecond, and not one of the next', async () => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-21T14:59:59.999Z');
    await h.sell(userId, 10_000, '2026-01-21T15:00:00.000Z');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    expect(await payoutsOf(creatorId)).toMatchObject([{ lineCount: 1 }]);
  });

  test('keep the zone in which their run began', async () => {
    const { userId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    h.moveTo('2026-02-05T00:00:00Z');
    const failing = { beforeCreator: () => Promise.reject(new Error('stop')) };
    const parts = { db: h.db, clock: h.clock, creators: h.creators };
    await expect(new PayoutRuns({ ...parts, ...failing, policy }).run('2026-01', null)).rejects.toThrow('stop');
    await new PayoutRuns({ ...parts, policy: { ...policy, timeZone: 'UTC' } }).run('2026-01', null);
    expect(await payoutsOf()).toMatchObject([{ timeZone: 'Asia/Tokyo', endMs: Date.parse('2026-01-31T15:00:00Z') }]);
  });
});

describe('a payout', () => {
  const payout = async (): Promise<PayoutRow> => {
    const { userId, creatorId } = await h.newCreator();
    await h.sell(userId, 10_000, '2026-01-05T00:00:00Z');
    await runMonth('2026-01', '2026-02-05T00:00:00Z');
    const [made] = await payoutsOf(creatorId);
    if (made === undefined) throw new Error('no payout');
    return made;
  };
  const move = (payoutId: string, to: Parameters<typeof moveByOperator>[2]) =>
    h.db.asService((tx) => moveByOperator(tx, payoutId, to, operator, h.clock.now()));

  test('is approved, held, released and cancelled by operators, each with who and why', async () => {
    const { payoutId, creatorId } = await payout();
    for (const to of ['approved', 'held', 'pending', 'canceled'] as const) {
      await move(payoutId, to);
      h.clock.advance(1);
    }
    const events = await h.db.asService((tx) => listPayoutEvents(tx, payoutId));
    expect(events.map(({ fromStatus, toStatus }) => [fromStatus, toStatus])).toEqual([
      [null, 'pending'],
      ['pending', 'approved'],
      ['approved', 'held'],
      ['held', 'pending'],
      ['pending', 'canceled'],
    ]);
    expect(events[1]).toMatchObject({ actorType: 'admin', actorId: operator.userId, reason: 'because' });
    // Its money, the fee too, is owed again.
    await runMonth('2026-02', '2026-03-05T00:00:00Z');
    expect((await payoutsOf(creatorId)).at(-1)).toMatchObject({
      returnedMinor: 7000,
      amountMinor: 6950,
      grossMinor: 0,
    });
  });

  test('goes no way that does not exist', async () => {
    const { payoutId } = await payout();
    expect(await code(move(payoutId, 'pending'))).toBe('billing.payout_state');
    await move(payoutId, 'canceled');
    for (const to of ['approved', 'held', 'pending', 'canceled'] as const)
      expect(await code(move(payoutId, to))).toBe('billing.payout_state');
    expect(await code(move('00000000-0000-4000-8000-0000000000ff', 'approved'))).toBe('billing.payout_not_found');
    const byForce = h.db.asService(
      (tx) => tx.sql`update billing.payouts set status = 'pending' where id = ${payoutId}`,
    );
    await expect(byForce).rejects.toThrow('does not go from canceled to pending');
    const sums = h.db.asService((tx) => tx.sql`update billing.payouts set amount_minor = 1 where id = ${payoutId}`);
    await expect(sums).rejects.toThrow('permission denied');
  });
});
