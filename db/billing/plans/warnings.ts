/** Warnings about caps; one operation a function, in transactions of the service but `listWarnings`. */
import type { Tx } from '../../client.ts';

export type WarningRow = {
  id: string;
  accountId: string | null;
  organizationId: string | null;
  periodEnd: Date;
  percent: 80 | 100;
  usedTokens: number;
  capTokens: number;
};
type Raw = Omit<WarningRow, 'usedTokens' | 'capTokens'> & { usedTokens: string; capTokens: string };
const columns = (
  tx: Tx,
) => tx.sql`id, account_id as "accountId", organization_id as "organizationId", period_end as "periodEnd", percent,
  used_tokens as "usedTokens", cap_tokens as "capTokens"`;
const toRow = (raw: Raw): WarningRow => ({
  ...raw,
  usedTokens: Number(raw.usedTokens),
  capTokens: Number(raw.capTokens),
});
const ordered = (rows: Raw[]): WarningRow[] => rows.map(toRow).sort((a, b) => a.percent - b.percent);

/** Notes what is due for these, and gives what is new. A cap of zero is no cap that anybody gets near to. */
export async function noteAccounts(tx: Tx, accountIds: readonly string[]): Promise<WarningRow[]> {
  return ordered(
    await tx.sql<Raw[]>`
    insert into billing.quota_warnings (account_id, period_start, period_end, percent, used_tokens, cap_tokens)
    select s.account_id, s.period_start, s.period_end, l.percent, s.used_tokens, s.cap_tokens
    from billing.spending s cross join (values (80), (100)) as l (percent)
    where s.account_id = any(${[...accountIds]}::uuid[]) and s.cap_tokens > 0 and s.used_tokens * 100 >= s.cap_tokens * l.percent
    on conflict (account_id, period_start, percent, cap_tokens) do nothing returning ${columns(tx)}`,
  );
}

export async function noteOrganizations(tx: Tx, organizationIds: readonly string[]): Promise<WarningRow[]> {
  return ordered(
    await tx.sql<Raw[]>`
    insert into billing.quota_warnings (organization_id, period_start, period_end, percent, used_tokens, cap_tokens)
    select s.organization_id, s.period_start, s.period_end, l.percent, s.used_tokens, s.cap_tokens
    from billing.organization_spending s join identity.organizations o on o.id = s.organization_id cross join (values (80), (100)) as l (percent)
    where s.organization_id = any(${[...organizationIds]}::uuid[]) and s.cap_tokens > 0 and s.used_tokens * 100 >= s.cap_tokens * l.percent
    on conflict (organization_id, period_start, percent, cap_tokens) do nothing returning ${columns(tx)}`,
  );
}

/** Whoever is near a cap without having been warned: the gateway that booked it may have died before it noted it. */
export async function findUnnoted(tx: Tx, limit: number): Promise<{ accountIds: string[]; organizationIds: string[] }> {
  const accounts = await tx.sql<{ id: string }[]>`
    select s.account_id as id from billing.spending s
    where s.cap_tokens > 0 and s.used_tokens * 5 >= s.cap_tokens * 4 and s.period_end > clock_timestamp()
      and (select count(*) from billing.quota_warnings w where w.account_id = s.account_id and w.period_start = s.period_start
          and w.cap_tokens = s.cap_tokens)
        < case when s.used_tokens >= s.cap_tokens then 2 else 1 end limit ${limit}`;
  const organizations = await tx.sql<{ id: string }[]>`
    select s.organization_id as id from billing.organization_spending s join identity.organizations o on o.id = s.organization_id
    where s.cap_tokens > 0 and s.used_tokens * 5 >= s.cap_tokens * 4 and s.period_end > clock_timestamp()
      and (select count(*) from billing.quota_warnings w where w.organization_id = s.organization_id and w.period_start = s.period_start
          and w.cap_tokens = s.cap_tokens)
        < case when s.used_tokens >= s.cap_tokens then 2 else 1 end limit ${limit}`;
  return { accountIds: accounts.map(({ id }) => id), organizationIds: organizations.map(({ id }) => id) };
}

/** Noted and not told for a while. Locked: another gateway may be at it. */
export async function lockUntold(tx: Tx, olderThanS: number, limit: number): Promise<WarningRow[]> {
  return ordered(
    await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.quota_warnings
    where told_at is null and created_at < clock_timestamp() - make_interval(secs => ${olderThanS})
    order by created_at limit ${limit} for update skip locked`,
  );
}

export async function setTold(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.sql`update billing.quota_warnings set told_at = clock_timestamp() where id = any(${[...ids]}::uuid[])`;
}

/** Who has to hear of it: the owner of the account, or the members who spend under the organisation. */
export async function findAudience(tx: Tx, warning: WarningRow): Promise<string[]> {
  const rows = await tx.sql<{ userId: string }[]>`
    select owner_id as "userId" from billing.accounts where id = ${warning.accountId}::uuid and owner_id is not null
    union select user_id from identity.organization_members where organization_id = ${warning.organizationId}::uuid and (spends or role = 'manager')`;
  return rows.map(({ userId }) => userId);
}

/** Percentages of his cap that a person was warned of in the period he is in. In a transaction of that user or of the service. */
export async function listWarned(tx: Tx, userId: string): Promise<number[]> {
  const rows = await tx.sql<{ percent: number }[]>`
    select w.percent from billing.quota_warnings w join billing.accounts a on a.id = w.account_id
      join billing.spending s on s.account_id = a.id and s.period_start = w.period_start and s.cap_tokens = w.cap_tokens
    where a.owner_type = 'user' and a.owner_id = ${userId} and w.period_end > clock_timestamp() order by w.percent`;
  return rows.map(({ percent }) => percent);
}
