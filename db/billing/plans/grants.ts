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

/** Tokens that the same subscription (or none) has granted for periods that overlap this one, and how many times some went back. */
export async function sumGrants(
  tx: Tx,
  {
    userId,
    subscriptionId,
    periodStart,
    periodEnd,
  }: Pick<GrantRow, 'userId' | 'subscriptionId' | 'periodStart' | 'periodEnd'>,
): Promise<{ tokens: number; taken: number }> {
  const [row] = await tx.sql<{ tokens: string; taken: string }[]>`
    select coalesce(sum(tokens) filter (where clawed_by is null), 0) as tokens, count(clawed_by) as taken from billing.plan_grants
    where user_id = ${userId} and subscription_id is not distinct from ${subscriptionId}::uuid
      and period_start < ${periodEnd.toISOString()} and period_end > ${periodStart.toISOString()}`;
  return { tokens: Number(row?.tokens ?? 0), taken: Number(row?.taken ?? 0) };
}

export async function insertGrant(tx: Tx, row: GrantRow): Promise<void> {
  await tx.sql`
    insert into billing.plan_grants (idempotency_key, user_id, plan_code, subscription_id, period_start, period_end, tokens)
    values (${row.idempotencyKey}, ${row.userId}, ${row.planCode}, ${row.subscriptionId}, ${row.periodStart.toISOString()},
      ${row.periodEnd.toISOString()}, ${row.tokens})`;
}

export type PaidPeriod = {
  provider: string;
  providerSubscriptionId: string;
  planCode: string;
  /** It is the period that is under way. */
  current: boolean;
  /** The plan that another purchase has paid for the same period, where this one only made it greater. */
  lesserCode: string | null;
};

/**
 * What a purchase paid for of a subscription; also where no period is known yet: the purchase may have been heard of first.
 */
export async function findPaidPeriod(tx: Tx, purchaseId: string): Promise<PaidPeriod | undefined> {
  const [row] = await tx.sql<PaidPeriod[]>`
    select y.subscription_id as "providerSubscriptionId", y.provider, p.item_id as "planCode",
      coalesce(y.period_end > s.current_period_start, p.created_at >= s.current_period_start - interval '1 day', s.id is not null) as current,
      (select o.item_id from billing.purchases o join billing.payments z on z.id = o.payment_row_id join billing.plans b on b.code = o.item_id
        where y.is_change and z.user_id = y.user_id and z.provider = y.provider and z.subscription_id = y.subscription_id
          and z.period_end = y.period_end and o.id <> p.id and o.item_id <> p.item_id and o.units_revoked < o.units and b.interval = l.interval
        order by o.id desc limit 1) as "lesserCode"
    from billing.purchases p join billing.payments y on y.id = p.payment_row_id join billing.plans l on l.code = p.item_id
    left join billing.subscriptions s on s.provider = y.provider and s.provider_subscription_id = y.subscription_id
    where p.id = ${purchaseId} and y.subscription_id is not null`;
  return row;
}

/**
 * Takes back what was granted for the period that a purchase paid: a month, or the months of a year. Never what another purchase of the
 * same month, or an operator, has taken back already. @param onlyPlan what came with this plan. @returns how many tokens
 */
export async function clawGrants(tx: Tx, purchaseId: string, onlyPlan: string | null): Promise<number> {
  const rows = await tx.sql<{ tokens: string }[]>`
    update billing.plan_grants g set clawed_by = p.id
    from billing.purchases p join billing.payments y on y.id = p.payment_row_id
      join billing.subscriptions s on s.provider = y.provider and s.provider_subscription_id = y.subscription_id
      join billing.plans l on l.code = p.item_id,
      lateral (
        select coalesce(min(o.created_at), 'infinity') as at from billing.purchases o join billing.payments z on z.id = o.payment_row_id
        where z.provider = y.provider and z.subscription_id = y.subscription_id and o.created_at > p.created_at) as next
    where p.id = ${purchaseId} and g.subscription_id = s.id and g.user_id = p.user_id and g.clawed_by is null
      and (${onlyPlan}::text is null or g.plan_code = ${onlyPlan})
      and case when y.period_end is not null then g.period_start < y.period_end and g.period_end > y.period_start
        -- The event of a period may come shortly before or after its beginning.
        else g.period_end > p.created_at + interval '1 day' and (g.period_start <= p.created_at + interval '1 day'
          or (l.interval = 'year' and g.period_start < next.at - interval '1 day')) end
      and not exists (
        select from billing.token_ledger e where e.idempotency_key = (g.idempotency_key collate "C") and (
          exists (select from billing.token_ledger r where r.reverses_id = e.id)
          or exists (select from billing.pending_entries r where r.reverses_id = e.id)))
    returning g.tokens`;
  return rows.reduce((sum, { tokens }) => sum + Number(tokens), 0);
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
  await tx.sql`update billing.plan_grants set clawed_by = null where clawed_by = ${purchaseId}`;
  await tx.sql`update billing.plan_clawbacks set restored = true where purchase_id = ${purchaseId} and not restored`;
}
