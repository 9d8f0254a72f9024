/** What creators earn: rows that only grow, each source once. One operation a function. */
import type { Tx } from '../../client.ts';

export type EarningKind = 'sale' | 'refund' | 'refund_undone' | 'tokens' | 'payout_returned';

export type EarningRow = {
  id: string;
  creatorId: string;
  kind: EarningKind;
  sourceKey: string;
  purchaseId: string | null;
  productType: string | null;
  productId: string | null;
  currency: string;
  grossMinor: number;
  shareBps: number;
  creatorMinor: number;
  platformMinor: number;
  tokenAmount: number | null;
  happenedAtMs: number;
  availableAtMs: number;
};

/** @returns false when this source was counted before. */
export async function insertEarning(tx: Tx, row: EarningRow): Promise<boolean> {
  const { count } = await tx.sql`
    insert into billing.creator_earnings (id, creator_id, kind, source_key, purchase_id, product_type, product_id, currency, gross_minor,
      share_bps, creator_minor, platform_minor, token_amount, happened_at, available_at)
    values (${row.id}, ${row.creatorId}, ${row.kind}, ${row.sourceKey}, ${row.purchaseId}, ${row.productType}, ${row.productId},
      ${row.currency}, ${row.grossMinor}, ${row.shareBps}, ${row.creatorMinor}, ${row.platformMinor}, ${row.tokenAmount},
      ${new Date(row.happenedAtMs)}, ${new Date(row.availableAtMs)})
    on conflict (source_key) do nothing`;
  return count === 1;
}

type RawEarning = Omit<EarningRow, 'grossMinor' | 'creatorMinor' | 'platformMinor' | 'tokenAmount'> & {
  grossMinor: string;
  creatorMinor: string;
  platformMinor: string;
  tokenAmount: string | null;
};

export function toEarning<T extends RawEarning>(row: T): Omit<T, keyof EarningRow> & EarningRow {
  return {
    ...row,
    grossMinor: Number(row.grossMinor),
    creatorMinor: Number(row.creatorMinor),
    platformMinor: Number(row.platformMinor),
    tokenAmount: row.tokenAmount === null ? null : Number(row.tokenAmount),
  };
}

/** Sale, refunds and refunds undone of one purchase, in the order in which they were counted. */
export async function selectPurchaseEarnings(tx: Tx, purchaseId: string): Promise<EarningRow[]> {
  const rows = await tx.sql<RawEarning[]>`
    select id, creator_id as "creatorId", kind, source_key as "sourceKey", purchase_id as "purchaseId", product_type as "productType",
      product_id as "productId", currency, gross_minor as "grossMinor", share_bps as "shareBps", creator_minor as "creatorMinor",
      platform_minor as "platformMinor", token_amount as "tokenAmount", (extract(epoch from happened_at) * 1000)::float8 as "happenedAtMs",
      (extract(epoch from available_at) * 1000)::float8 as "availableAtMs"
    from billing.creator_earnings where purchase_id = ${purchaseId} order by created_at, id`;
  return rows.map(toEarning);
}

/** Who counts for the same thing waits for the other's commit. The server may lock no rows of a table that it may not change. */
export async function lockSource(tx: Tx, kind: 'purchase' | 'creator', key: string): Promise<void> {
  await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`billing.payouts.${kind}:${key}`}, 0))`;
}

/** Lines of a payout by kind; what is not there is zero. */
export type EarningSums = {
  kind: EarningKind;
  count: number;
  grossMinor: number;
  creatorMinor: number;
  platformMinor: number;
};
type RawSums = { kind: EarningKind; count: number; gross: string; creator: string; platform: string };

export const toSums = (row: RawSums): EarningSums => ({
  kind: row.kind,
  count: row.count,
  grossMinor: Number(row.gross),
  creatorMinor: Number(row.creator),
  platformMinor: Number(row.platform),
});

/** What a payout of that period would be made of, without taking it. */
export async function sumOpenEarnings(
  tx: Tx,
  creatorId: string,
  currency: string,
  beforeMs: number,
): Promise<EarningSums[]> {
  const rows = await tx.sql<RawSums[]>`
    select kind, count(*)::int as count, sum(gross_minor)::text as gross, sum(creator_minor)::text as creator, sum(platform_minor)::text as platform
    from billing.creator_earnings e
    where creator_id = ${creatorId} and currency = ${currency} and available_at < ${new Date(beforeMs)}
      and not exists (select from billing.payout_line_items line where line.earning_id = e.id)
    group by kind`;
  return rows.map(toSums);
}

/**
 * Takes everything that is open into lines of the payout `payoutId`, which is made afterwards in the same transaction out of the
 * sums that come back: those of exactly these lines.
 */
export async function takeOpenEarnings(
  tx: Tx,
  payoutId: string,
  creatorId: string,
  currency: string,
  beforeMs: number,
): Promise<EarningSums[]> {
  const rows = await tx.sql<RawSums[]>`
    with taken as (
      insert into billing.payout_line_items (payout_id, earning_id, creator_id, currency)
      select ${payoutId}, e.id, e.creator_id, e.currency from billing.creator_earnings e
      where e.creator_id = ${creatorId} and e.currency = ${currency} and e.available_at < ${new Date(beforeMs)}
        and not exists (select from billing.payout_line_items line where line.earning_id = e.id)
      returning earning_id)
    select e.kind, count(*)::int as count, sum(e.gross_minor)::text as gross, sum(e.creator_minor)::text as creator,
      sum(e.platform_minor)::text as platform
    from taken join billing.creator_earnings e on e.id = taken.earning_id group by e.kind`;
  return rows.map(toSums);
}

/** Creators with anything open before `beforeMs`, in order behind `after`. */
export async function listOpenCreators(
  tx: Tx,
  beforeMs: number,
  after: { creatorId: string; currency: string } | undefined,
  limit: number,
): Promise<{ creatorId: string; currency: string }[]> {
  const { creatorId, currency } = after ?? { creatorId: '00000000-0000-0000-0000-000000000000', currency: '' };
  return tx.sql<{ creatorId: string; currency: string }[]>`
    select creator_id as "creatorId", currency from billing.creator_earnings e
    where available_at < ${new Date(beforeMs)} and (creator_id, currency) > (${creatorId}::uuid, ${currency})
      and not exists (select from billing.payout_line_items line where line.earning_id = e.id)
    group by creator_id, currency order by creator_id, currency limit ${limit}`;
}

/** What a creator has open by currency: `readyMinor` is past its holding time at `nowMs`, `waitingMinor` is not yet. */
export async function sumOpenByCurrency(
  tx: Tx,
  creatorId: string,
  nowMs: number,
): Promise<{ currency: string; readyMinor: number; waitingMinor: number }[]> {
  const rows = await tx.sql<{ currency: string; ready: string; waiting: string }[]>`
    select currency, coalesce(sum(creator_minor) filter (where available_at <= ${new Date(nowMs)}), 0)::text as ready,
      coalesce(sum(creator_minor) filter (where available_at > ${new Date(nowMs)}), 0)::text as waiting
    from billing.creator_earnings e
    where creator_id = ${creatorId} and not exists (select from billing.payout_line_items line where line.earning_id = e.id)
    group by currency order by currency`;
  return rows.map((row) => ({
    currency: row.currency,
    readyMinor: Number(row.ready),
    waitingMinor: Number(row.waiting),
  }));
}
