/** The plan and the period that each person is in; one operation a function, all in transactions of the service but `findUserPlan`. */
import type { Tx } from '../../client.ts';

export type AtCap = 'stop' | 'use_bought';
export type Terms = { planCode: string; avatarLimit: number; capTokens: number | null; grantTokens: number };
export type UserPlanRow = Terms & {
  userId: string;
  subscriptionId: string | null;
  anchor: Date;
  timeZone: string;
  periodStart: Date;
  periodEnd: Date;
  dueAt: Date;
  atCap: AtCap | null;
};
type Raw = Omit<UserPlanRow, 'capTokens' | 'grantTokens'> & { capTokens: string | null; grantTokens: string };

const columns = (
  tx: Tx,
) => tx.sql`user_id as "userId", plan_code as "planCode", avatar_limit as "avatarLimit", cap_tokens as "capTokens",
  grant_tokens as "grantTokens", subscription_id as "subscriptionId", anchor, time_zone as "timeZone", period_start as "periodStart",
  period_end as "periodEnd", due_at as "dueAt", at_cap as "atCap"`;
const toRow = (raw: Raw): UserPlanRow => ({
  ...raw,
  capTokens: raw.capTokens === null ? null : Number(raw.capTokens),
  grantTokens: Number(raw.grantTokens),
});

export async function findUserPlan(tx: Tx, userId: string): Promise<UserPlanRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.user_plans where user_id = ${userId}`;
  return raw && toRow(raw);
}

export async function lockUserPlan(tx: Tx, userId: string): Promise<UserPlanRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.user_plans where user_id = ${userId} for update`;
  return raw && toRow(raw);
}

/** Puts a person on the plan that costs nothing, in his month. @returns false when he is on one already, or does not live. */
export async function beginUserPlan(tx: Tx, userId: string, at: Date): Promise<boolean> {
  const rows = await tx.sql`
    insert into billing.user_plans (user_id, plan_code, avatar_limit, cap_tokens, grant_tokens, anchor, time_zone, period_start, period_end, due_at)
    select u.id, p.code, p.avatar_limit, p.monthly_token_limit, p.monthly_tokens, m.anchor, m.zone,
      billing.period_start(m.anchor, m.zone, ${iso(at)}), billing.period_end(m.anchor, m.zone, ${iso(at)}), billing.period_end(m.anchor, m.zone, ${iso(at)})
    from identity.users u left join identity.profiles f on f.user_id = u.id join billing.plans p on p.code = 'free',
      lateral (select least(date_trunc('milliseconds', u.created_at), ${iso(at)}::timestamptz) as anchor, billing.known_zone(coalesce(f.time_zone, 'Asia/Tokyo')) as zone) m
    where u.id = ${userId} and u.status <> 'deleted' on conflict (user_id) do nothing returning 1`;
  return rows.length > 0;
}

export async function updateUserPlan(tx: Tx, row: UserPlanRow): Promise<void> {
  await tx.sql`
    update billing.user_plans set plan_code = ${row.planCode}, subscription_id = ${row.subscriptionId}, avatar_limit = ${row.avatarLimit},
      cap_tokens = ${row.capTokens}, grant_tokens = ${row.grantTokens}, anchor = ${iso(row.anchor)}, time_zone = ${row.timeZone},
      period_start = ${iso(row.periodStart)}, period_end = ${iso(row.periodEnd)}, due_at = ${iso(row.dueAt)}, at_cap = ${row.atCap}, updated_at = now()
    where user_id = ${row.userId}`;
}

/** What a person's month is counted from, and where. */
export async function findHome(
  tx: Tx,
  userId: string,
): Promise<{ anchor: Date; timeZone: string; deleted: boolean } | undefined> {
  const [row] = await tx.sql<{ anchor: Date; timeZone: string; deleted: boolean }[]>`
    select date_trunc('milliseconds', u.created_at) as anchor, billing.known_zone(coalesce(f.time_zone, 'Asia/Tokyo')) as "timeZone",
      u.status = 'deleted' as deleted
    from identity.users u left join identity.profiles f on f.user_id = u.id where u.id = ${userId}`;
  return row;
}

export async function deleteUserPlan(tx: Tx, userId: string): Promise<void> {
  await tx.sql`delete from billing.user_plans where user_id = ${userId}`;
}

/** Whose period is over, or who has to be looked at for another reason; those that nobody is at. */
export async function listDue(tx: Tx, at: Date, limit: number): Promise<string[]> {
  const rows = await tx.sql<{ userId: string }[]>`
    select user_id as "userId" from billing.user_plans where due_at <= ${iso(at)} order by due_at limit ${limit}`;
  return rows.map(({ userId }) => userId);
}

/** People who came before there were plans, or by a server that knew none. */
export async function listWithout(tx: Tx, limit: number): Promise<string[]> {
  const rows = await tx.sql<{ userId: string }[]>`
    select u.id as "userId" from identity.users u
    where u.status <> 'deleted' and not exists (select from billing.user_plans p where p.user_id = u.id) limit ${limit}`;
  return rows.map(({ userId }) => userId);
}

/** The month that `at` lies in, counted from the anchor in local time. */
export async function monthOf(tx: Tx, anchor: Date, timeZone: string, at: Date): Promise<{ start: Date; end: Date }> {
  const [row] = await tx.sql<{ start: Date; end: Date }[]>`
    select billing.period_start(${iso(anchor)}, ${timeZone}, ${iso(at)}) as start, billing.period_end(${iso(anchor)}, ${timeZone}, ${iso(at)}) as end`;
  if (row === undefined) throw new Error('The database has no months.');
  return row;
}

/** `at`, or the database's clock. */
export async function instantOf(tx: Tx, at: Date | undefined): Promise<Date> {
  if (at !== undefined) return at;
  const [row] = await tx.sql<{ now: Date }[]>`select date_trunc('milliseconds', clock_timestamp()) as now`;
  if (row === undefined) throw new Error('The database has no clock.');
  return row.now;
}

const iso = (date: Date): string => date.toISOString();
