/** Sales and refunds as they are counted for their creators. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insertShare } from '../../../db/billing/payouts/shares.ts';
import { createPayoutHarness, type PayoutHarness } from './testing.ts';

let h: PayoutHarness;
beforeAll(async () => {
  h = await createPayoutHarness();
});
afterAll(() => h.database.close());

const rowsOf = (purchaseId: string) =>
  h.db.asService(
    (tx) => tx.sql<{ kind: string; gross: number; creator: number; platform: number; bps: number; available: Date }[]>`
      select kind, gross_minor::int as gross, creator_minor::int as creator, platform_minor::int as platform, share_bps as bps,
        available_at as available
      from billing.creator_earnings where purchase_id = ${purchaseId} order by created_at, id`,
  );

describe('a sale', () => {
  test('makes its seller a creator, once (001-R14, 001-R59), and waits for the holding time', async () => {
    const userId = await h.newUser();
    const purchase = await h.sell(userId, 999, '2026-01-01T00:00:00Z');
    await h.sell(userId, 5, '2026-01-02T00:00:00Z');
    expect(await rowsOf(purchase)).toEqual([
      { kind: 'sale', gross: 999, creator: 699, platform: 300, bps: 7000, available: new Date('2026-01-11T00:00:00Z') },
    ]);
    const creators = await h.db.asService((tx) => tx.sql`select id from identity.creators where user_id = ${userId}`);
    expect(creators).toHaveLength(1);
  });

  test('counts once, however often and by however many it is told at the same moment', async () => {
    const userId = await h.newUser();
    const sale = {
      creatorUserId: userId,
      purchaseId: randomUUID(),
      grossMinor: 1000,
      currency: 'jpy',
      soldAtMs: h.clock.now(),
    };
    const told = await Promise.all(
      Array.from({ length: 6 }, () => h.db.asService((tx) => h.earnings.recordSale(tx, sale))),
    );
    expect(told.filter(Boolean)).toHaveLength(1);
    expect(await rowsOf(sale.purchaseId)).toHaveLength(1);
    for (const other of [{ grossMinor: 999 }, { currency: 'USD' }, { creatorUserId: await h.newUser() }]) {
      await expect(h.db.asService((tx) => h.earnings.recordSale(tx, { ...sale, ...other }))).rejects.toThrow(
        'another sale',
      );
    }
  });

  test.each([0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])('of %d is no sale', async (grossMinor) => {
    const userId = await h.newUser();
    await expect(h.sell(userId, grossMinor, '2026-01-01T00:00:00Z')).rejects.toThrow('amount of money');
    await expect(h.sell(userId, 10, '2026-01-01T00:00:00Z', 'YENS')).rejects.toThrow('currency');
  });

  test('has the share that was agreed for its moment', async () => {
    const { userId, creatorId } = await h.newCreator();
    const agree = (shareBps: number | null, from: string) =>
      h.db.asService((tx) => insertShare(tx, creatorId, { shareBps, effectiveFromMs: Date.parse(from), setBy: null }));
    await agree(9000, '2026-02-01T00:00:00Z');
    await agree(null, '2026-03-01T00:00:00Z');
    const bps = async (at: string) => (await rowsOf(await h.sell(userId, 100, at)))[0]?.bps;
    expect(await bps('2026-01-31T23:59:59.999Z')).toBe(7000);
    expect(await bps('2026-02-01T00:00:00Z')).toBe(9000);
    expect(await bps('2026-03-01T00:00:00Z')).toBe(7000);
    expect(await agree(1, '2026-03-01T00:00:00Z')).toBe(false);
  });
});

describe('a refund', () => {
  test('takes back the part of what is no longer left, once, and never more than the sale was', async () => {
    const purchase = await h.sell(await h.newUser(), 999, '2026-01-01T00:00:00Z');
    const refundId = randomUUID();
    expect(await h.refund(purchase, 1, '2026-01-02T00:00:00Z', refundId)).toEqual({ clawbackMinor: 1 });
    expect(await h.refund(purchase, 1, '2026-01-02T00:00:00Z', refundId)).toEqual({ clawbackMinor: 1 });
    expect(await h.refund(purchase, 5000, '2026-06-02T00:00:00Z')).toEqual({ clawbackMinor: 698 });
    expect(await h.refund(purchase, 5000, '2026-06-03T00:00:00Z')).toEqual({ clawbackMinor: 0 });
    const rows = await rowsOf(purchase);
    expect(rows.map(({ kind, gross }) => [kind, gross])).toEqual([
      ['sale', 999],
      ['refund', -1],
      ['refund', -998],
    ]);
    // Never later than what it takes back.
    expect(new Set(rows.map(({ available }) => available.getTime())).size).toBe(1);
  });

  test('of something that no creator sold is nothing', async () => {
    expect(await h.refund(randomUUID(), 10, '2026-01-02T00:00:00Z')).toBeUndefined();
  });

  test('can be undone, once', async () => {
    const purchase = await h.sell(await h.newUser(), 999, '2026-01-01T00:00:00Z');
    const refundId = randomUUID();
    await h.refund(purchase, 500, '2026-01-02T00:00:00Z', refundId);
    const undo = () => h.db.asService((tx) => h.earnings.undoRefund(tx, { purchaseId: purchase, refundId, atMs: 0 }));
    expect([await undo(), await undo()]).toEqual([true, false]);
    const rows = await rowsOf(purchase);
    expect(rows.reduce((sum, row) => sum + row.creator, 0)).toBe(699);
    const unknown = { purchaseId: purchase, refundId: randomUUID(), atMs: 0 };
    expect(await h.db.asService((tx) => h.earnings.undoRefund(tx, unknown))).toBe(false);
  });
});

test('nobody changes what was counted, and nobody sees another creator’s', async () => {
  const [mine, other] = [await h.newUser(), await h.newUser()];
  const purchase = await h.sell(mine, 100, '2026-01-01T00:00:00Z');
  await h.sell(other, 100, '2026-01-01T00:00:00Z');
  const change = h.db.asService((tx) => tx.sql`update billing.creator_earnings set creator_minor = 1`);
  await expect(change).rejects.toThrow(/permission denied|append-only/);
  const seen = await h.db.asUser(mine, (tx) => tx.sql`select purchase_id from billing.creator_earnings`);
  expect(seen).toMatchObject([{ purchase_id: purchase }]);
  const insert = h.db.asUser(
    mine,
    (tx) => tx.sql`
    insert into billing.creator_earnings select gen_random_uuid(), creator_id, kind, 'again', purchase_id, product_type, product_id, currency,
      gross_minor, share_bps, creator_minor, platform_minor, token_amount, happened_at, available_at from billing.creator_earnings`,
  );
  await expect(insert).rejects.toThrow('row-level security');
});
