/** Attempts to pay; one operation a function. */
import type { Tx } from '../../client.ts';

export type Provider = 'stripe' | 'stripe_offline';
export type PaymentStatus = 'open' | 'processing' | 'succeeded' | 'failed' | 'expired' | 'mismatched';

export type PaymentRow = {
  id: string;
  userId: string;
  provider: Provider;
  mode: 'payment' | 'subscription' | 'invoice';
  productType: string;
  productId: string;
  quantity: number;
  units: number;
  /** In the smallest unit of `currency`. */
  amount: number;
  currency: string;
  requestDigest: Buffer | null;
  sessionId: string | null;
  sessionUrl: string | null;
  intentId: string | null;
  invoiceId: string | null;
  subscriptionId: string | null;
  status: PaymentStatus;
  syncIssued: number;
  syncApplied: number;
  expiresAt: Date | null;
};

export type NewPayment = Pick<
  PaymentRow,
  'id' | 'userId' | 'provider' | 'mode' | 'productType' | 'productId' | 'quantity' | 'units' | 'amount' | 'currency'
> & {
  requestKey: string | null;
  requestDigest: Buffer | null;
  invoiceId: string | null;
  subscriptionId: string | null;
  /** That an invoice of a subscription is for. */
  period?: { start: Date; end: Date } | null;
  /** It pays for a greater plan within a period. */
  isChange?: boolean;
};

type Raw = Omit<PaymentRow, 'units' | 'amount' | 'syncIssued' | 'syncApplied'> & {
  units: string;
  amount: string;
  syncIssued: string;
  syncApplied: string;
};

const columns = (tx: Tx) => tx.sql`
  id, user_id as "userId", provider, mode, product_type as "productType", product_id as "productId", quantity, units, amount,
  currency, request_digest as "requestDigest", session_id as "sessionId", session_url as "sessionUrl", intent_id as "intentId",
  invoice_id as "invoiceId", subscription_id as "subscriptionId", status, sync_issued as "syncIssued",
  sync_applied as "syncApplied", expires_at as "expiresAt"`;

const toRow = (raw: Raw): PaymentRow => ({
  ...raw,
  units: Number(raw.units),
  amount: Number(raw.amount),
  syncIssued: Number(raw.syncIssued),
  syncApplied: Number(raw.syncApplied),
});

/** @returns false when the same request, or the same invoice, made one before. */
export async function insertPayment(tx: Tx, row: NewPayment): Promise<boolean> {
  const made = await tx.sql`
    insert into billing.payments (id, user_id, provider, mode, product_type, product_id, quantity, units, amount, currency,
      request_key, request_digest, invoice_id, subscription_id, period_start, period_end, is_change)
    values (${row.id}, ${row.userId}, ${row.provider}, ${row.mode}, ${row.productType}, ${row.productId}, ${row.quantity},
      ${row.units}, ${row.amount}, ${row.currency}, ${row.requestKey}, ${row.requestDigest}, ${row.invoiceId}, ${row.subscriptionId},
      ${row.period?.start.toISOString() ?? null}, ${row.period?.end.toISOString() ?? null}, ${row.isChange ?? false})
    on conflict do nothing`;
  return made.count === 1;
}

export async function findPaymentByRequest(
  tx: Tx,
  userId: string,
  requestKey: string,
): Promise<PaymentRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.payments where user_id = ${userId} and request_key = ${requestKey}`;
  return raw && toRow(raw);
}

export async function findPayment(tx: Tx, id: string): Promise<PaymentRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.payments where id = ${id}`;
  return raw && toRow(raw);
}

/** The payment that a provider's object belongs to, if it is known already. */
export async function findPaymentBy(
  tx: Tx,
  provider: Provider,
  by: 'session_id' | 'intent_id' | 'invoice_id',
  value: string,
): Promise<PaymentRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.payments where provider = ${provider} and ${tx.sql(by)} = ${value}`;
  return raw && toRow(raw);
}

/** The lock under which everything that follows from a payment is written. */
export async function lockPayment(tx: Tx, id: string): Promise<PaymentRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.payments where id = ${id} for update`;
  return raw && toRow(raw);
}

/** Stores where the checkout is. Only once: a session that is there already stays. */
export async function setSession(
  tx: Tx,
  id: string,
  session: { id: string; url: string; expiresAtMs: number },
): Promise<void> {
  await tx.sql`
    update billing.payments set session_id = ${session.id}, session_url = ${session.url},
      expires_at = ${new Date(session.expiresAtMs)}, updated_at = now()
    where id = ${id} and session_id is null`;
}

/** The number of a look at the provider that is about to begin. */
export async function issueSync(tx: Tx, id: string): Promise<PaymentRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    update billing.payments set sync_issued = sync_issued + 1 where id = ${id} returning ${columns(tx)}`;
  return raw && toRow(raw);
}

export async function applySync(
  tx: Tx,
  id: string,
  change: {
    sync: number;
    status: PaymentStatus;
    sessionId: string | null;
    intentId: string | null;
    subscriptionId: string | null;
  },
): Promise<void> {
  await tx.sql`
    update billing.payments set sync_applied = ${change.sync}, status = ${change.status},
      session_id = coalesce(session_id, ${change.sessionId}), intent_id = coalesce(${change.intentId}, intent_id),
      subscription_id = coalesce(subscription_id, ${change.subscriptionId}), synced_at = now(), updated_at = now()
    where id = ${id}`;
}

/** Payments that are still open although nothing was heard of them for a while; those asked longest ago first. */
export async function listUnsettled(tx: Tx, provider: Provider, quietS: number, limit: number): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select id from billing.payments
    where provider = ${provider} and status in ('open', 'processing')
      and coalesce(synced_at, created_at) < now() - make_interval(secs => ${quietS})
    order by coalesce(synced_at, created_at) limit ${limit}`;
  return rows.map((row) => row.id);
}

/** It was asked after in vain: others come first now. */
export async function touchPayment(tx: Tx, id: string): Promise<void> {
  await tx.sql`update billing.payments set synced_at = now() where id = ${id}`;
}

/** One beginning of a person at a time, so that two of them cannot both take the last place below a limit. */
export async function lockBuyer(tx: Tx, userId: string): Promise<void> {
  await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`billing.payments ${userId}`}, 0))`;
}

export async function countOpenPayments(tx: Tx, userId: string): Promise<number> {
  const [row] = await tx.sql<{ count: string }[]>`
    select count(*) as count from billing.payments where user_id = ${userId} and status = 'open' and mode <> 'invoice'`;
  return Number(row?.count ?? 0);
}
