/** Money that goes back; one operation a function. */
import type { Tx } from '../../client.ts';

export type RefundStatus = 'requested' | 'pending' | 'succeeded' | 'failed' | 'canceled';
export type RefundRow = {
  id: string;
  purchaseId: string;
  userId: string;
  amountMinor: number;
  /** What the operator's request named; null where it asked for what was left. */
  askedMinor: number | null;
  currency: string;
  origin: 'operator' | 'duplicate' | 'provider';
  reason: string;
  requestedBy: string | null;
  requestKey: string | null;
  providerRefundId: string | null;
  status: RefundStatus;
  errorCode: string | null;
  attempts: number;
  createdAt: Date;
};
type Raw = Omit<RefundRow, 'amountMinor' | 'askedMinor'> & { amountMinor: string; askedMinor: string | null };

const columns = (tx: Tx) => tx.sql`
  id, purchase_id as "purchaseId", user_id as "userId", amount_minor as "amountMinor", asked_minor as "askedMinor", currency, origin, reason,
  requested_by as "requestedBy", request_key as "requestKey", provider_refund_id as "providerRefundId", status,
  error_code as "errorCode", attempts, created_at as "createdAt"`;
const toRow = (raw: Raw): RefundRow => ({
  ...raw,
  amountMinor: Number(raw.amountMinor),
  askedMinor: raw.askedMinor === null ? null : Number(raw.askedMinor),
});

/** @returns false when this request, or this refund of the provider, is there already. */
export async function insertRefund(
  tx: Tx,
  row: Omit<RefundRow, 'errorCode' | 'attempts' | 'createdAt'>,
): Promise<boolean> {
  const made = await tx.sql`
    insert into billing.refunds (id, purchase_id, user_id, amount_minor, asked_minor, currency, origin, reason, requested_by, request_key,
      provider_refund_id, status)
    values (${row.id}, ${row.purchaseId}, ${row.userId}, ${row.amountMinor}, ${row.askedMinor}, ${row.currency}, ${row.origin}, ${row.reason},
      ${row.requestedBy}, ${row.requestKey}, ${row.providerRefundId}, ${row.status})
    on conflict do nothing`;
  return made.count === 1;
}

export async function findRefundByRequest(
  tx: Tx,
  purchaseId: string,
  requestKey: string,
): Promise<RefundRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.refunds where purchase_id = ${purchaseId} and request_key = ${requestKey}`;
  return raw && toRow(raw);
}

export async function findRefund(tx: Tx, id: string): Promise<RefundRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.refunds where id = ${id}`;
  return raw && toRow(raw);
}

/** Takes a requested refund for `leaseS` seconds: nobody else works on it until then. */
export async function leaseRefund(tx: Tx, id: string, leaseS: number): Promise<RefundRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    update billing.refunds set attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => ${leaseS})
    where id = ${id} and status = 'requested' and next_attempt_at <= clock_timestamp() returning ${columns(tx)}`;
  return raw && toRow(raw);
}

export async function listDueRefunds(tx: Tx, limit: number): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select id from billing.refunds where status = 'requested' and next_attempt_at <= clock_timestamp()
    order by next_attempt_at limit ${limit}`;
  return rows.map((row) => row.id);
}

export async function updateRefund(
  tx: Tx,
  id: string,
  change: { status: RefundStatus; providerRefundId: string | null; errorCode: string | null; retryInS?: number },
): Promise<void> {
  await tx.sql`
    update billing.refunds set status = ${change.status},
      provider_refund_id = coalesce(${change.providerRefundId}, provider_refund_id), error_code = ${change.errorCode},
      next_attempt_at = clock_timestamp() + make_interval(secs => ${change.retryInS ?? 0}), updated_at = now()
    where id = ${id}`;
}

/** The provider's word on a refund that it knows under this id. @returns false when it is not known here. */
export async function updateRefundByProvider(tx: Tx, providerRefundId: string, status: RefundStatus): Promise<boolean> {
  const found = await tx.sql`
    update billing.refunds set status = ${status}, updated_at = now()
    where provider_refund_id = ${providerRefundId}`;
  return found.count === 1;
}

/**
 * Of the refunds of a purchase: what was asked for and has not reached the provider, and all that has neither failed nor was taken
 * back, which may be ahead of what the purchase has learnt of it.
 */
export async function sumRefunds(tx: Tx, purchaseId: string): Promise<{ unsentMinor: number; liveMinor: number }> {
  const [row] = await tx.sql<{ unsent: string; live: string }[]>`
    select coalesce(sum(amount_minor) filter (where status = 'requested'), 0) as unsent, coalesce(sum(amount_minor), 0) as live
    from billing.refunds where purchase_id = ${purchaseId} and status in ('requested', 'pending', 'succeeded')`;
  return { unsentMinor: Number(row?.unsent ?? 0), liveMinor: Number(row?.live ?? 0) };
}

/** Refunds that have been asked for and have not reached the provider for so long. */
export async function countOverdueRefunds(tx: Tx, afterS: number): Promise<number> {
  const [row] = await tx.sql<{ count: string }[]>`
    select count(*) as count from billing.refunds
    where status = 'requested' and created_at < now() - make_interval(secs => ${afterS})`;
  return Number(row?.count ?? 0);
}
