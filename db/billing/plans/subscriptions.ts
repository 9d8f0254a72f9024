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
  next_plan_code as "nextPlanCode", status, anchor, current_period_start as "periodStart", current_period_end as "periodEnd",
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
      anchor = ${iso(row.anchor)}, current_period_start = ${iso(row.periodStart)}, current_period_end = ${iso(row.periodEnd)},
      cancel_at_period_end = ${row.cancelAtPeriodEnd}, ended_at = ${iso(row.endedAt)}, seen_at = ${iso(row.seenAt)}, updated_at = now()
    where id = ${row.id}`;
}

export async function revokeSubscription(tx: Tx, provider: string, providerSubscriptionId: string): Promise<void> {
  await tx.sql`
    update billing.subscriptions set revoked_at = clock_timestamp(), updated_at = now()
    where provider = ${provider} and provider_subscription_id = ${providerSubscriptionId} and revoked_at is null`;
}

/** That should have ended at the provider, as far as is known here. */
export async function listToEnd(tx: Tx, provider: ProviderName, limit: number): Promise<SubscriptionRow[]> {
  return tx.sql<SubscriptionRow[]>`
    select ${columns(tx)} from billing.subscriptions s
    where provider = ${provider} and ended_at is null and (duplicate or revoked_at is not null
      -- Nobody may go on paying for what he cannot have any more.
      or exists (select from identity.users u where u.id = s.user_id and u.status = 'deleted')) order by updated_at limit ${limit}`;
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
