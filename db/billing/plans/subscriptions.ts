/** Paid plans; one operation a function. */
import type { Tx } from '../../client.ts';

export type SubscriptionState = 'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'canceled';
export type ProviderName = 'stripe' | 'stripe_offline';
export type SubscriptionRow = {
  id: string;
  userId: string;
  provider: ProviderName;
  providerSubscriptionId: string;
  planCode: string | null;
  nextPlanCode: string | null;
  withheldPlanCode: string | null;
  status: SubscriptionState;
  anchor: Date | null;
  periodStart: Date | null;
  periodEnd: Date | null;
  cancelAtPeriodEnd: boolean;
  duplicate: boolean;
  revokedAt: Date | null;
  endedAt: Date | null;
  seenAt: Date;
};

const columns = (
  tx: Tx,
) => tx.sql`id, user_id as "userId", provider, provider_subscription_id as "providerSubscriptionId", plan_code as "planCode",
  next_plan_code as "nextPlanCode", withheld_plan_code as "withheldPlanCode", status, anchor, current_period_start as "periodStart", current_period_end as "periodEnd",
  cancel_at_period_end as "cancelAtPeriodEnd", duplicate, revoked_at as "revokedAt", ended_at as "endedAt", seen_at as "seenAt"`;

/** The one that lives, whatever its state. */
export async function findLive(tx: Tx, userId: string): Promise<SubscriptionRow | undefined> {
  const [row] = await tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions where user_id = ${userId} and ended_at is null and not duplicate and revoked_at is null`;
  return row;
}

export async function findByProvider(
  tx: Tx,
  provider: ProviderName,
  providerSubscriptionId: string,
): Promise<SubscriptionRow | undefined> {
  const [row] = await tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions where provider = ${provider} and provider_subscription_id = ${providerSubscriptionId}`;
  return row;
}

/** Newest first, those that have ended included. */
export async function listOfUser(tx: Tx, userId: string, limit: number): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions where user_id = ${userId} order by created_at desc, id desc limit ${limit}`;
}

/** A place for one that was heard of; its state follows. */
export async function insertSubscription(
  tx: Tx,
  row: Pick<SubscriptionRow, 'id' | 'userId' | 'provider' | 'providerSubscriptionId' | 'duplicate'>,
): Promise<void> {
  await tx.sql`
    insert into billing.subscriptions (id, user_id, provider, provider_subscription_id, duplicate, status, seen_at)
    values (${row.id}, ${row.userId}, ${row.provider}, ${row.providerSubscriptionId}, ${row.duplicate}, 'incomplete', 'epoch')`;
}

export async function updateSubscription(tx: Tx, row: SubscriptionRow): Promise<void> {
  await tx.sql`
    update billing.subscriptions set plan_code = ${row.planCode}, next_plan_code = ${row.nextPlanCode}, status = ${row.status},
      withheld_plan_code = ${row.withheldPlanCode},
      anchor = ${iso(row.anchor)}, current_period_start = ${iso(row.periodStart)}, current_period_end = ${iso(row.periodEnd)},
      cancel_at_period_end = ${row.cancelAtPeriodEnd}, ended_at = ${iso(row.endedAt)}, seen_at = ${iso(row.seenAt)}, updated_at = now()
    where id = ${row.id}`;
}

type Named = { provider: string; providerSubscriptionId: string };

export async function revokeSubscription(
  tx: Tx,
  { provider, providerSubscriptionId }: Named,
  cause: 'refund' | 'dispute',
) {
  await tx.sql`
    update billing.subscriptions set revoked_at = clock_timestamp(), revoke_cause = ${cause}, updated_at = now()
    where provider = ${provider} and provider_subscription_id = ${providerSubscriptionId} and revoked_at is null`;
}

/** Its disputed money stayed. Not where he has another by now, or none of it is left at the provider. */
export async function restoreSubscription(tx: Tx, { provider, providerSubscriptionId }: Named): Promise<void> {
  await tx.sql`
    update billing.subscriptions s set revoked_at = null, revoke_cause = null, updated_at = now()
    where provider = ${provider} and provider_subscription_id = ${providerSubscriptionId} and revoke_cause = 'dispute' and ended_at is null
      and not exists (select from billing.subscriptions o
        where o.user_id = s.user_id and o.ended_at is null and not o.duplicate and o.revoked_at is null)`;
}

/** The money of a greater plan went back: the lesser one goes on, and the provider is to be told. */
export async function withholdPlan(tx: Tx, of: Named, planCode: string, lesserCode: string): Promise<void> {
  await tx.sql`
    update billing.subscriptions set plan_code = ${lesserCode}, withheld_plan_code = ${planCode}, updated_at = now(),
      next_plan_code = case coalesce(next_plan_code, ${planCode}) when ${lesserCode} then null else coalesce(next_plan_code, ${planCode}) end
    where provider = ${of.provider} and provider_subscription_id = ${of.providerSubscriptionId} and revoked_at is null
      and coalesce(plan_code, ${planCode}) = ${planCode}`;
}

/** It stayed after all: the greater plan to the end of the period, and what the provider says by then. */
export async function restorePlan(tx: Tx, of: Named, planCode: string, lesserCode: string): Promise<void> {
  await tx.sql`
    update billing.subscriptions set plan_code = ${planCode}, withheld_plan_code = null, updated_at = now(),
      next_plan_code = case when withheld_plan_code is null then coalesce(next_plan_code, ${lesserCode})
        when next_plan_code = ${planCode} then null else next_plan_code end
    where provider = ${of.provider} and provider_subscription_id = ${of.providerSubscriptionId} and revoked_at is null
      and plan_code = ${lesserCode}`;
}

const disputed = (tx: Tx) => tx.sql`exists (
  select from billing.payments y join billing.purchases p on p.payment_row_id = y.id
  where y.user_id = s.user_id and y.provider = s.provider and y.subscription_id = s.provider_subscription_id and p.dispute = 'open')`;

/** That should have ended at the provider, as far as is known here. */
export async function listToEnd(tx: Tx, provider: ProviderName, limit: number): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions s
    where provider = ${provider} and ended_at is null and (duplicate
      or (revoked_at is not null and (revoke_cause is distinct from 'dispute' or not ${disputed(tx)}))
      -- Nobody may go on paying for what he cannot have any more.
      or exists (select from identity.users u where u.id = s.user_id and u.status = 'deleted')) order by updated_at limit ${limit}`;
}

/** That no further period is to be paid of while its money is disputed. */
export async function listToPause(tx: Tx, provider: ProviderName, limit: number): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions s
    where provider = ${provider} and ended_at is null and revoke_cause = 'dispute' and not cancel_at_period_end and ${disputed(tx)}
    order by updated_at limit ${limit}`;
}

/** Of which the provider still names a plan whose money went back. */
export async function listToLower(tx: Tx, provider: ProviderName, limit: number): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions
    where provider = ${provider} and ended_at is null and revoked_at is null and withheld_plan_code is not null and not cancel_at_period_end
    order by updated_at limit ${limit}`;
}

/** Whose period is over for so long that the provider should have said something. */
export async function listQuiet(
  tx: Tx,
  provider: ProviderName,
  seconds: number,
  limit: number,
): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions
    where provider = ${provider} and ended_at is null
      and coalesce(current_period_end, created_at) < clock_timestamp() - make_interval(secs => ${seconds})
      and updated_at < clock_timestamp() - make_interval(secs => ${seconds})
    order by updated_at limit ${limit}`;
}

export async function touchSubscription(tx: Tx, id: string): Promise<void> {
  await tx.sql`update billing.subscriptions set updated_at = clock_timestamp() where id = ${id}`;
}

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;
