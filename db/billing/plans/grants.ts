/** What plans have granted, and what was taken back of it; one operation a function, in transactions of the service. */
import type { Tx } from '../../client.ts';
import { uuidv7 } from '../../uuid.ts';

export type GrantRow = {
  idempotencyKey: string;
  userId: string;
  planCode: string;
  subscriptionId: string | null;
  periodStart: Date;
  periodEnd: Date;
  tokens: number;
};

/** Tokens that the same subscription (or none) has granted for periods that overlap this one. */
export async function sumGrants(
  tx: Tx,
  {
    userId,
    subscriptionId,
    periodStart,
    periodEnd,
  }: Pick<GrantRow, 'userId' | 'subscriptionId' | 'periodStart' | 'periodEnd'>,
): Promise<number> {
  const [row] = await tx.sql<{ tokens: string }[]>`
    select coalesce(sum(tokens), 0) as tokens from billing.plan_grants
    where user_id = ${userId} and subscription_id is not distinct from ${subscriptionId}::uuid
      and period_start < ${periodEnd.toISOString()} and period_end > ${periodStart.toISOString()}`;
  return Number(row?.tokens ?? 0);
}

export async function insertGrant(tx: Tx, row: GrantRow): Promise<void> {
  await tx.sql`
    insert into billing.plan_grants (idempotency_key, user_id, plan_code, subscription_id, period_start, period_end, tokens)
    values (${row.idempotencyKey}, ${row.userId}, ${row.planCode}, ${row.subscriptionId}, ${row.periodStart.toISOString()},
      ${row.periodEnd.toISOString()}, ${row.tokens})`;
}

/** The subscription that a purchase paid a period of, and what was granted for that period and not taken back yet. */
export async function findPaidGrants(
  tx: Tx,
  purchaseId: string,
): Promise<{ providerSubscriptionId: string | null; provider: string; tokens: number; current: boolean } | undefined> {
  const [row] = await tx.sql<
    { providerSubscriptionId: string | null; provider: string; tokens: string; current: boolean | null }[]
  >`
    select y.subscription_id as "providerSubscriptionId", y.provider, coalesce(sum(g.tokens), 0) as tokens,
      bool_or(p.created_at >= s.current_period_start - interval '1 day') as current
    from billing.purchases p join billing.payments y on y.id = p.payment_row_id
    left join billing.subscriptions s on s.provider = y.provider and s.provider_subscription_id = y.subscription_id
    -- The event of a period may come shortly before or after its beginning.
    left join billing.plan_grants g on g.subscription_id = s.id and g.user_id = p.user_id
      and g.period_start <= p.created_at + interval '1 day' and g.period_end > p.created_at + interval '1 day'
    where p.id = ${purchaseId} group by 1, 2`;
  return row && { ...row, tokens: Number(row.tokens), current: row.current ?? false };
}

export async function sumClawbacks(tx: Tx, purchaseId: string): Promise<number> {
  const [row] = await tx.sql<{ tokens: string }[]>`
    select coalesce(sum(tokens), 0) as tokens from billing.plan_clawbacks where purchase_id = ${purchaseId} and not restored`;
  return Number(row?.tokens ?? 0);
}

export async function insertClawback(
  tx: Tx,
  row: { purchaseId: string; userId: string; tokens: number },
): Promise<void> {
  await tx.sql`
    insert into billing.plan_clawbacks (id, purchase_id, user_id, tokens) values (${uuidv7()}, ${row.purchaseId}, ${row.userId}, ${row.tokens})`;
}

export async function restoreClawbacks(tx: Tx, purchaseId: string): Promise<void> {
  await tx.sql`update billing.plan_clawbacks set restored = true where purchase_id = ${purchaseId} and not restored`;
}
