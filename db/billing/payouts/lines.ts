/** Lines of payouts (001-R30), as their creators see them. One operation a function. */
import type { Tx } from '../../client.ts';
import { type EarningRow, toEarning } from './earnings.ts';

export type LineRow = EarningRow & { lineId: string };

/** In the order in which they happened. @param after the `lineId` of the last one of the page before. */
export async function listLines(
  tx: Tx,
  payoutId: string,
  after: string | undefined,
  limit: number,
): Promise<LineRow[]> {
  const rows = await tx.sql<Raw[]>`
    select line.id as "lineId", e.id, e.creator_id as "creatorId", kind, source_key as "sourceKey", purchase_id as "purchaseId",
      product_type as "productType", product_id as "productId", e.currency, gross_minor as "grossMinor", share_bps as "shareBps",
      creator_minor as "creatorMinor", platform_minor as "platformMinor", token_amount as "tokenAmount",
      (extract(epoch from happened_at) * 1000)::float8 as "happenedAtMs", (extract(epoch from available_at) * 1000)::float8 as "availableAtMs"
    from billing.payout_line_items line join billing.creator_earnings e on e.id = line.earning_id
    where line.payout_id = ${payoutId} and (${after ?? null}::uuid is null or (e.happened_at, e.id) > (
      select other.happened_at, other.id from billing.payout_line_items last join billing.creator_earnings other on other.id = last.earning_id
      where last.id = ${after ?? null}::uuid and last.payout_id = ${payoutId}))
    order by e.happened_at, e.id limit ${limit}`;
  return rows.map((row) => toEarning(row));
}

type Raw = Parameters<typeof toEarning>[0] & { lineId: string };
