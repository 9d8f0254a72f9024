/** Tickets: their transactions, and the balances that sum them up; one operation a function. */
import type { Tx } from '../../client.ts';

export type TicketType = 'purchase' | 'consume' | 'refund' | 'grant';
export type TicketRow = {
  id: string;
  userId: string;
  type: TicketType;
  /** Below zero where tickets go. */
  amount: number;
  idempotencyKey: string;
  purchaseId: string | null;
  target: { type: string; id: string } | null;
  reason: string | null;
  grantedBy: string | null;
  createdAt: Date;
};
type Raw = Omit<TicketRow, 'amount' | 'target'> & {
  amount: string;
  targetType: string | null;
  targetId: string | null;
};

const columns = (tx: Tx) => tx.sql`
  id, user_id as "userId", type, amount, idempotency_key as "idempotencyKey", purchase_id as "purchaseId",
  target_type as "targetType", target_id as "targetId", reason, granted_by as "grantedBy", created_at as "createdAt"`;

function toRow({ amount, targetType, targetId, ...raw }: Raw): TicketRow {
  const target = targetType === null || targetId === null ? null : { type: targetType, id: targetId };
  return { ...raw, amount: Number(amount), target };
}

/** Makes the balance's row where missing and locks it: all that is done with one person's tickets happens one after the other. */
export async function lockTicketBalance(tx: Tx, userId: string): Promise<number> {
  await tx.sql`insert into billing.user_ticket_balances (user_id, balance) values (${userId}, 0) on conflict do nothing`;
  const [row] = await tx.sql<{ balance: string }[]>`
    select balance from billing.user_ticket_balances where user_id = ${userId} for update`;
  return Number(row?.balance ?? 0);
}

export async function findTicketTransaction(tx: Tx, userId: string, key: string): Promise<TicketRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.ticket_transactions where user_id = ${userId} and idempotency_key = ${key}`;
  return raw && toRow(raw);
}

/** Adds a transaction and what it does to the balance, which the caller has locked. */
export async function insertTicketTransaction(tx: Tx, row: Omit<TicketRow, 'createdAt'>): Promise<void> {
  await Promise.all([
    tx.sql`
      insert into billing.ticket_transactions (id, user_id, type, amount, idempotency_key, purchase_id, target_type, target_id,
        reason, granted_by)
      values (${row.id}, ${row.userId}, ${row.type}, ${row.amount}, ${row.idempotencyKey}, ${row.purchaseId},
        ${row.target?.type ?? null}, ${row.target?.id ?? null}, ${row.reason}, ${row.grantedBy})`,
    tx.sql`
      update billing.user_ticket_balances set balance = balance + ${row.amount}, updated_at = now()
      where user_id = ${row.userId}`,
  ]);
}

export async function findTicketBalance(tx: Tx, userId: string): Promise<number> {
  const [row] = await tx.sql<{ balance: string }[]>`
    select balance from billing.user_ticket_balances where user_id = ${userId}`;
  return Number(row?.balance ?? 0);
}

/** Newest first. */
export async function listTicketTransactions(
  tx: Tx,
  userId: string,
  before: string | undefined,
  limit: number,
): Promise<TicketRow[]> {
  const rows = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.ticket_transactions
    where user_id = ${userId} ${before === undefined ? tx.sql`` : tx.sql`and id < ${before}`}
    order by id desc limit ${limit}`;
  return rows.map(toRow);
}

export type TicketMismatch = { userId: string; stored: number | null; transactions: number | null };

/** People whose stored balance is not the sum of their transactions (001-R26); one snapshot of both. */
export async function findTicketMismatches(tx: Tx, limit: number): Promise<TicketMismatch[]> {
  const rows = await tx.sql<{ userId: string; stored: string | null; transactions: string | null }[]>`
    with moved as (select user_id, sum(amount) as total from billing.ticket_transactions group by user_id)
    select user_id as "userId", b.balance::text as stored, moved.total::text as transactions
    from moved full join billing.user_ticket_balances b using (user_id)
    where moved.total is distinct from b.balance and not (moved.total is null and b.balance = 0)
    limit ${limit}`;
  const toNumber = (text: string | null) => (text === null ? null : Number(text));
  return rows.map(({ userId, stored, transactions }) => ({
    userId,
    stored: toNumber(stored),
    transactions: toNumber(transactions),
  }));
}
