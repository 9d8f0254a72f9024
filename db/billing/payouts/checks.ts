/** Whether the money of creators adds up, asked of the tables themselves. Each gives what does not fit; nothing is right. */
import type { Tx } from '../../client.ts';

export type Fault = { what: string; id: string; expected: string; found: string };

/** Payouts whose sums are not those of their lines. */
export async function findLineFaults(tx: Tx, limit: number): Promise<Fault[]> {
  return tx.sql<Fault[]>`
    with summed as (
      select line.payout_id, count(*) as lines,
        sum(e.gross_minor) filter (where e.kind in ('sale', 'refund_undone', 'tokens')) as gross,
        sum(e.gross_minor) filter (where e.kind = 'refund') as refunds,
        sum(e.creator_minor) filter (where e.kind in ('sale', 'refund_undone', 'tokens')) as share,
        sum(e.creator_minor) filter (where e.kind = 'refund') as clawback,
        sum(e.creator_minor) filter (where e.kind = 'payout_returned') as returned,
        sum(e.platform_minor) as platform
      from billing.payout_line_items line join billing.creator_earnings e on e.id = line.earning_id group by line.payout_id)
    select 'payout_lines' as what, p.id::text as id,
      concat_ws(' ', p.line_count, p.gross_minor, p.refunds_minor, p.share_minor, p.clawback_minor, p.returned_minor, p.platform_minor) as expected,
      concat_ws(' ', coalesce(lines, 0), coalesce(gross, 0), coalesce(refunds, 0), coalesce(share, 0), coalesce(clawback, 0),
        coalesce(returned, 0), coalesce(platform, 0)) as found
    from billing.payouts p left join summed on summed.payout_id = p.id
    where (p.line_count, p.gross_minor, p.refunds_minor, p.share_minor, p.clawback_minor, p.returned_minor, p.platform_minor)
      is distinct from (coalesce(lines, 0), coalesce(gross, 0), coalesce(refunds, 0), coalesce(share, 0), coalesce(clawback, 0),
        coalesce(returned, 0), coalesce(platform, 0))
    limit ${limit}`;
}

/** Payouts that do not begin with what the one before carried on. */
export async function findCarryFaults(tx: Tx, limit: number): Promise<Fault[]> {
  return tx.sql<Fault[]>`
    select 'payout_opening' as what, id::text, before::text as expected, opening_minor::text as found from (
      select id, opening_minor, coalesce(lag(closing_minor) over (partition by creator_id, currency order by month), 0) as before
      from billing.payouts) as chained
    where opening_minor <> before limit ${limit}`;
}

/** Purchases of which the creator does not have exactly his share of what is left after refunds, or of which less than nothing is. */
export async function findPurchaseFaults(tx: Tx, limit: number): Promise<Fault[]> {
  return tx.sql<Fault[]>`
    select 'purchase_share' as what, purchase_id::text as id,
      floor(sum(gross_minor) * max(share_bps) / 10000)::text as expected, sum(creator_minor)::text as found
    from billing.creator_earnings where purchase_id is not null
    group by purchase_id
    having sum(creator_minor) <> floor(sum(gross_minor) * max(share_bps) / 10000) or sum(gross_minor) < 0
      or count(*) filter (where kind = 'sale') <> 1 or min(share_bps) <> max(share_bps)
      or count(distinct creator_id) > 1 or count(distinct currency) > 1
    limit ${limit}`;
}

/** Earnings that a finished run should have taken and did not. */
export async function findForgottenEarnings(tx: Tx, limit: number): Promise<Fault[]> {
  return tx.sql<Fault[]>`
    select 'earning_left_out' as what, e.id::text, r.month as expected, 'none' as found
    from billing.creator_earnings e join billing.payout_runs r on r.finished_at is not null
      and e.available_at < r.period_end and e.created_at < r.started_at
    where not exists (select from billing.payout_line_items line where line.earning_id = e.id)
    order by r.month, e.id limit ${limit}`;
}

/** Cancelled payouts and reversed transfers whose money did not come back to the creator exactly once. */
export async function findReturnFaults(tx: Tx, limit: number): Promise<Fault[]> {
  return tx.sql<Fault[]>`
    select 'payout_returned' as what, p.id::text, owed::text as expected, coalesce(back, 0)::text as found
    from (select id, case when status = 'canceled' then amount_minor + fee_minor else reversed_minor end as owed from billing.payouts) p
    left join (select split_part(source_key, ':', 2)::uuid as payout_id, sum(creator_minor) as back
      from billing.creator_earnings where kind = 'payout_returned' group by 1) e on e.payout_id = p.id
    where owed <> coalesce(back, 0) limit ${limit}`;
}

export type CurrencyTotals = {
  currency: string;
  /** What buyers paid less what they got back, and how it is divided. */
  grossMinor: number;
  platformMinor: number;
  creatorMinor: number;
  /** Where the creators' part is. */
  openMinor: number;
  carriedMinor: number;
  payoutMinor: number;
  feeMinor: number;
  /** Counted among `payoutMinor` and owed again. */
  returnedMinor: number;
};

/** By currency: gross = platform + creators, and creators + returned = open + carried + payouts + fees. */
export async function sumTotals(tx: Tx): Promise<CurrencyTotals[]> {
  const rows = await tx.sql<({ currency: string } & Record<Exclude<keyof CurrencyTotals, 'currency'>, string>)[]>`
    with earned as (
      select e.currency, sum(gross_minor) as gross, sum(platform_minor) as platform,
        sum(creator_minor) filter (where kind <> 'payout_returned') as creator,
        sum(creator_minor) filter (where kind = 'payout_returned') as returned,
        sum(creator_minor) filter (where line.earning_id is null) as open
      from billing.creator_earnings e left join billing.payout_line_items line on line.earning_id = e.id group by e.currency),
    paid as (
      select currency, sum(amount_minor) as amount, sum(fee_minor) as fee,
        sum(closing_minor) filter (where is_last) as carried
      from (select *, row_number() over (partition by creator_id, currency order by month desc) = 1 as is_last from billing.payouts) p
      group by currency)
    select currency, coalesce(gross, 0)::text as "grossMinor", coalesce(platform, 0)::text as "platformMinor",
      coalesce(creator, 0)::text as "creatorMinor", coalesce(open, 0)::text as "openMinor", coalesce(carried, 0)::text as "carriedMinor",
      coalesce(amount, 0)::text as "payoutMinor", coalesce(fee, 0)::text as "feeMinor", coalesce(returned, 0)::text as "returnedMinor"
    from earned full join paid using (currency) order by currency`;
  return rows.map(({ currency, ...amounts }) => ({
    currency,
    ...(Object.fromEntries(Object.entries(amounts).map(([name, text]) => [name, Number(text)])) as Omit<
      CurrencyTotals,
      'currency'
    >),
  }));
}
