/** Payouts: one a creator, currency and month. Sums never change; states do. One operation a function. */
import type { Tx } from '../../client.ts';

export type PayoutStatus =
  | 'carried'
  | 'pending'
  | 'held'
  | 'approved'
  | 'transferring'
  | 'paid'
  | 'failed'
  | 'reversed'
  | 'canceled';

/** All in the smallest unit of the currency. */
export type PayoutSums = {
  openingMinor: number;
  grossMinor: number;
  refundsMinor: number;
  platformMinor: number;
  shareMinor: number;
  clawbackMinor: number;
  returnedMinor: number;
  feeMinor: number;
  amountMinor: number;
  closingMinor: number;
};

export type PayoutRow = PayoutSums & {
  payoutId: string;
  creatorId: string;
  runId: string;
  month: string;
  startMs: number;
  endMs: number;
  timeZone: string;
  currency: string;
  lineCount: number;
  status: PayoutStatus;
  payoutAccountId: string | null;
  attempt: number;
  providerTransferId: string | null;
  reversedMinor: number;
  failureCode: string | null;
  paidAtMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
};

export type NewPayout = Omit<
  PayoutRow,
  | 'payoutAccountId'
  | 'attempt'
  | 'providerTransferId'
  | 'reversedMinor'
  | 'failureCode'
  | 'paidAtMs'
  | 'createdAtMs'
  | 'updatedAtMs'
>;

export async function insertPayout(tx: Tx, row: NewPayout): Promise<void> {
  await tx.sql`
    insert into billing.payouts (id, creator_id, run_id, month, period_start, period_end, time_zone, currency, opening_minor, gross_minor,
      refunds_minor, platform_minor, share_minor, clawback_minor, returned_minor, fee_minor, amount_minor, closing_minor, line_count, status,
      approved_at)
    values (${row.payoutId}, ${row.creatorId}, ${row.runId}, ${row.month}, ${new Date(row.startMs)}, ${new Date(row.endMs)}, ${row.timeZone},
      ${row.currency}, ${row.openingMinor}, ${row.grossMinor}, ${row.refundsMinor}, ${row.platformMinor}, ${row.shareMinor},
      ${row.clawbackMinor}, ${row.returnedMinor}, ${row.feeMinor}, ${row.amountMinor}, ${row.closingMinor}, ${row.lineCount}, ${row.status},
      case when ${row.status} = 'approved' then now() end)`;
}

const moneyNames = [
  'openingMinor',
  'grossMinor',
  'refundsMinor',
  'platformMinor',
  'shareMinor',
  'clawbackMinor',
  'returnedMinor',
  'feeMinor',
  'amountMinor',
  'closingMinor',
  'reversedMinor',
] as const;
type Raw = Omit<PayoutRow, (typeof moneyNames)[number]> & Record<(typeof moneyNames)[number], string>;

const columns = (tx: Tx) => tx.sql`
  id as "payoutId", creator_id as "creatorId", run_id as "runId", month, (extract(epoch from period_start) * 1000)::float8 as "startMs",
  (extract(epoch from period_end) * 1000)::float8 as "endMs", time_zone as "timeZone", currency, opening_minor as "openingMinor",
  gross_minor as "grossMinor", refunds_minor as "refundsMinor", platform_minor as "platformMinor", share_minor as "shareMinor",
  clawback_minor as "clawbackMinor", returned_minor as "returnedMinor", fee_minor as "feeMinor", amount_minor as "amountMinor",
  closing_minor as "closingMinor", line_count as "lineCount", status, payout_account_id as "payoutAccountId", attempt,
  provider_transfer_id as "providerTransferId", reversed_minor as "reversedMinor", failure_code as "failureCode",
  (extract(epoch from paid_at) * 1000)::float8 as "paidAtMs", (extract(epoch from created_at) * 1000)::float8 as "createdAtMs",
  (extract(epoch from updated_at) * 1000)::float8 as "updatedAtMs"`;

function toPayout(row: Raw): PayoutRow {
  const money = Object.fromEntries(moneyNames.map((name) => [name, Number(row[name])]));
  return { ...row, ...(money as Record<(typeof moneyNames)[number], number>) };
}

export async function findPayout(tx: Tx, payoutId: string): Promise<PayoutRow | undefined> {
  const [row] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.payouts where id = ${payoutId}`;
  return row && toPayout(row);
}

export async function lockPayout(tx: Tx, payoutId: string): Promise<PayoutRow | undefined> {
  const [row] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.payouts where id = ${payoutId} for update`;
  return row && toPayout(row);
}

/** By the provider's name of the transfer. */
export async function findPayoutIdByTransfer(tx: Tx, providerTransferId: string): Promise<string | undefined> {
  const [row] = await tx.sql<{ id: string }[]>`
    select id from billing.payouts where provider_transfer_id = ${providerTransferId}`;
  return row?.id;
}

/** The payout of the latest month, whose closing is what the next one begins with. */
export async function findLatestPayout(tx: Tx, creatorId: string, currency: string): Promise<PayoutRow | undefined> {
  const [row] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.payouts where creator_id = ${creatorId} and currency = ${currency} order by month desc limit 1`;
  return row && toPayout(row);
}

/** The payout of the latest month in each currency. */
export async function listLatestPayouts(tx: Tx, creatorId: string): Promise<PayoutRow[]> {
  const rows = await tx.sql<Raw[]>`
    select distinct on (currency) ${columns(tx)} from billing.payouts where creator_id = ${creatorId} order by currency, month desc`;
  return rows.map(toPayout);
}

export type CarriedRow = { creatorId: string; currency: string; closingMinor: number };

/** Amounts above zero that the latest payouts carry on, in order behind `after`. */
export async function listCarried(
  tx: Tx,
  after: { creatorId: string; currency: string } | undefined,
  limit: number,
): Promise<CarriedRow[]> {
  const { creatorId, currency } = after ?? { creatorId: '00000000-0000-0000-0000-000000000000', currency: '' };
  const rows = await tx.sql<(Omit<CarriedRow, 'closingMinor'> & { closingMinor: string })[]>`
    select creator_id as "creatorId", currency, closing_minor as "closingMinor" from billing.payouts p
    where closing_minor > 0 and (creator_id, currency) > (${creatorId}::uuid, ${currency})
      and not exists (select from billing.payouts later
        where later.creator_id = p.creator_id and later.currency = p.currency and later.month > p.month)
    order by creator_id, currency limit ${limit}`;
  return rows.map((row) => ({ ...row, closingMinor: Number(row.closingMinor) }));
}

export type PayoutFilter = {
  creatorId?: string;
  status?: PayoutStatus;
  month?: string;
  before?: string;
  limit: number;
};

/** Latest first. @param filter.before the id of the last row of the page before. */
export async function listPayouts(tx: Tx, filter: PayoutFilter): Promise<PayoutRow[]> {
  const { creatorId = null, status = null, month = null, before = null, limit } = filter;
  const rows = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.payouts
    where (${creatorId}::uuid is null or creator_id = ${creatorId}) and (${status}::text is null or status = ${status})
      and (${month}::text is null or month = ${month})
      and (${before}::uuid is null or (month, id) < (select p.month, p.id from billing.payouts p where p.id = ${before}::uuid))
    order by month desc, id desc limit ${limit}`;
  return rows.map(toPayout);
}

export type StateChange = {
  status: PayoutStatus;
  failureCode?: string | null;
  providerTransferId?: string;
  reversedMinor?: number;
};

/** Changes the state of a payout whose row is locked. The database refuses ways that do not exist. */
export async function updatePayoutState(tx: Tx, payoutId: string, change: StateChange): Promise<void> {
  const { status, failureCode, providerTransferId = null, reversedMinor = null } = change;
  await tx.sql`
    update billing.payouts set status = ${status}, updated_at = now(), claimed_until = null,
      failure_code = case when ${failureCode === undefined} then failure_code else ${failureCode ?? null} end,
      provider_transfer_id = coalesce(${providerTransferId}, provider_transfer_id),
      reversed_minor = coalesce(${reversedMinor}::bigint, reversed_minor),
      attempt = attempt + (${status} = 'failed' and status <> 'failed')::int,
      approved_at = case when ${status} = 'approved' then now() else approved_at end,
      paid_at = case when ${status} = 'paid' and paid_at is null then now() else paid_at end
    where id = ${payoutId}`;
}

export type PayoutEventRow = {
  eventId: string;
  payoutId: string;
  atMs: number;
  fromStatus: PayoutStatus | null;
  toStatus: PayoutStatus;
  actorType: 'service' | 'admin' | 'provider';
  actorId: string | null;
  reason: string | null;
  code: string | null;
};

export async function insertPayoutEvent(tx: Tx, row: PayoutEventRow): Promise<void> {
  await tx.sql`
    insert into billing.payout_events (id, payout_id, ts, from_status, to_status, actor_type, actor_id, reason, code)
    values (${row.eventId}, ${row.payoutId}, ${new Date(row.atMs)}, ${row.fromStatus}, ${row.toStatus}, ${row.actorType}, ${row.actorId},
      ${row.reason}, ${row.code})`;
}

/** In the order in which they happened. */
export async function listPayoutEvents(tx: Tx, payoutId: string): Promise<PayoutEventRow[]> {
  return tx.sql<PayoutEventRow[]>`
    select id as "eventId", payout_id as "payoutId", (extract(epoch from ts) * 1000)::float8 as "atMs", from_status as "fromStatus",
      to_status as "toStatus", actor_type as "actorType", actor_id as "actorId", reason, code
    from billing.payout_events where payout_id = ${payoutId} order by seq`;
}
