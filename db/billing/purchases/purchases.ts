/** Purchases: what was paid for, and what became of it; one operation a function. */
import type { Tx } from '../../client.ts';
import type { Provider } from './payments.ts';

export type PurchaseStatus = 'paid' | 'partially_refunded' | 'refunded' | 'disputed' | 'charged_back';
export type DisputeState = 'none' | 'open' | 'won' | 'lost';

export type PurchaseRow = {
  id: string;
  userId: string;
  type: string;
  itemId: string;
  quantity: number;
  provider: Provider;
  paymentId: string;
  paymentRowId: string;
  amountMinor: number;
  currency: string;
  tokensGranted: number;
  units: number;
  unitsRevoked: number;
  revision: number;
  refundedMinor: number;
  dispute: DisputeState;
  status: PurchaseStatus;
  refundedAt: Date | null;
  createdAt: Date;
};

const numbers = ['amountMinor', 'tokensGranted', 'units', 'unitsRevoked', 'refundedMinor'] as const;
type Raw = Omit<PurchaseRow, (typeof numbers)[number]> & Record<(typeof numbers)[number], string>;

const columns = (tx: Tx) => tx.sql`
  id, user_id as "userId", type, item_id as "itemId", quantity, payment_provider as provider, payment_id as "paymentId",
  payment_row_id as "paymentRowId", amount_minor as "amountMinor", currency, tokens_granted as "tokensGranted", units,
  units_revoked as "unitsRevoked", revision, refunded_minor as "refundedMinor", dispute, status, refunded_at as "refundedAt",
  created_at as "createdAt"`;

function toRow(raw: Raw): PurchaseRow {
  const { amountMinor, tokensGranted, units, unitsRevoked, refundedMinor, ...rest } = raw;
  return {
    ...rest,
    amountMinor: Number(amountMinor),
    tokensGranted: Number(tokensGranted),
    units: Number(units),
    unitsRevoked: Number(unitsRevoked),
    refundedMinor: Number(refundedMinor),
  };
}

export type NewPurchase = Pick<
  PurchaseRow,
  | 'id'
  | 'userId'
  | 'type'
  | 'itemId'
  | 'quantity'
  | 'provider'
  | 'paymentId'
  | 'paymentRowId'
  | 'amountMinor'
  | 'currency'
  | 'units'
  | 'tokensGranted'
>;

/** Once a payment (001-R61): the same again is an error, since the caller holds the payment's lock and has looked. */
export async function insertPurchase(tx: Tx, row: NewPurchase): Promise<PurchaseRow> {
  const [raw] = await tx.sql<Raw[]>`
    insert into billing.purchases (id, user_id, type, item_id, quantity, payment_provider, payment_id, payment_row_id,
      amount_minor, currency, units, tokens_granted)
    values (${row.id}, ${row.userId}, ${row.type}, ${row.itemId}, ${row.quantity}, ${row.provider}, ${row.paymentId},
      ${row.paymentRowId}, ${row.amountMinor}, ${row.currency}, ${row.units}, ${row.tokensGranted})
    returning ${columns(tx)}`;
  if (raw === undefined) throw new Error('A purchase was inserted and is not there.');
  return toRow(raw);
}

/** The purchase of a payment, locked. */
export async function lockPurchaseOf(tx: Tx, paymentRowId: string): Promise<PurchaseRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.purchases where payment_row_id = ${paymentRowId} for update`;
  return raw && toRow(raw);
}

export async function findPurchase(tx: Tx, id: string): Promise<PurchaseRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.purchases where id = ${id}`;
  return raw && toRow(raw);
}

export async function lockPurchase(tx: Tx, id: string): Promise<PurchaseRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.purchases where id = ${id} for update`;
  return raw && toRow(raw);
}

/** He had it already: there is nothing to take back when the money goes back. */
export async function grantedNothing(tx: Tx, id: string): Promise<void> {
  await tx.sql`update billing.purchases set units = 0, tokens_granted = 0, updated_at = now() where id = ${id}`;
}

export async function updatePurchase(
  tx: Tx,
  id: string,
  change: Pick<PurchaseRow, 'unitsRevoked' | 'revision' | 'refundedMinor' | 'dispute' | 'status'>,
): Promise<void> {
  await tx.sql`
    update billing.purchases set units_revoked = ${change.unitsRevoked}, revision = ${change.revision},
      refunded_minor = ${change.refundedMinor}, dispute = ${change.dispute}, status = ${change.status},
      refunded_at = case when ${change.refundedMinor}::bigint = 0 then null else coalesce(refunded_at, now()) end, updated_at = now()
    where id = ${id}`;
}

/** Another purchase of the same thing by the same person that still holds; the oldest. */
export async function findHoldingPurchase(
  tx: Tx,
  one: Pick<PurchaseRow, 'id' | 'userId' | 'type' | 'itemId'>,
): Promise<PurchaseRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.purchases
    where user_id = ${one.userId} and type = ${one.type} and item_id = ${one.itemId} and id <> ${one.id}
      and units_revoked < units and status in ('paid', 'partially_refunded')
      and not exists (
        select 1 from billing.user_entitlements e where e.source_purchase_id = purchases.id and e.revoke_cause = 'decision')
    order by id limit 1`;
  return raw && toRow(raw);
}

export type PurchaseSearch = {
  userId?: string | undefined;
  paymentId?: string | undefined;
  status?: PurchaseStatus | undefined;
  before?: string | undefined;
  limit: number;
};

/** Newest first. Whose they may be, row level security says. */
export async function listPurchases(tx: Tx, search: PurchaseSearch): Promise<PurchaseRow[]> {
  const { sql } = tx;
  const rows = await sql<Raw[]>`
    select ${columns(tx)} from billing.purchases where true
      ${search.userId === undefined ? sql`` : sql`and user_id = ${search.userId}`}
      ${search.paymentId === undefined ? sql`` : sql`and payment_id = ${search.paymentId}`}
      ${search.status === undefined ? sql`` : sql`and status = ${search.status}`}
      ${search.before === undefined ? sql`` : sql`and id < ${search.before}`}
    order by id desc limit ${search.limit}`;
  return rows.map(toRow);
}

export type PurchaseFault = { purchaseId: string; problem: string };

/** Purchases that do not agree with their payments; for the reconciliation report. */
export async function findPurchaseFaults(tx: Tx, limit: number): Promise<PurchaseFault[]> {
  return await tx.sql<PurchaseFault[]>`
    select coalesce(p.id, pay.id) as "purchaseId",
      case when pay.status = 'mismatched' then 'paid, but not what was asked for: nothing was granted, the money is to go back'
        when p.id is null then 'a succeeded payment without a purchase'
        when pay.status <> 'succeeded' then 'a purchase whose payment did not succeed'
        when pay.amount <> p.amount_minor or pay.currency <> p.currency then 'amount or currency differ from the payment'
        when pay.user_id <> p.user_id then 'bought by somebody else than it was paid by'
        else 'taken back does not follow from refunds and disputes' end as problem
    from billing.payments pay full join billing.purchases p on p.payment_row_id = pay.id
    where pay.status = 'mismatched' or (p.id is null and pay.status = 'succeeded' and pay.mode <> 'subscription')
      or (p.id is not null and (pay.status <> 'succeeded' or pay.amount <> p.amount_minor or pay.currency <> p.currency
        or pay.user_id <> p.user_id or (p.dispute in ('open', 'lost') and p.units_revoked <> p.units)
        or (p.dispute in ('none', 'won') and p.refunded_minor = 0 and p.units_revoked <> 0)
        or (p.amount_minor > 0 and p.refunded_minor = p.amount_minor and p.units_revoked <> p.units)))
    limit ${limit}`;
}
