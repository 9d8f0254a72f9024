/** What accounts and organisations may spend in their period; one operation a function. */
import type { Tx } from '../client.ts';

export type AllowanceChange = {
  /** Null: no cap. Counts granted tokens only. */
  capTokens?: number | null;
  /** Months are counted from here, in `timeZone`. */
  periodAnchor?: Date;
  /** IANA name. */
  timeZone?: string;
  atCap?: 'stop' | 'use_bought';
  /** Whose cap counts as well; null for nobody's. */
  organizationId?: string | null;
};

/**
 * What is left out stays. The period is that of now, what was used in it is counted again. Locks the row; in a transaction of the
 * service.
 */
export async function changeAllowance(tx: Tx, accountId: string, change: AllowanceChange): Promise<void> {
  const { capTokens, periodAnchor, timeZone, atCap, organizationId } = change;
  await tx.sql`
    update billing.spending set
      cap_tokens = case when ${capTokens !== undefined} then ${capTokens ?? null}::bigint else cap_tokens end,
      period_anchor = coalesce(${periodAnchor?.toISOString() ?? null}::timestamptz, period_anchor),
      time_zone = coalesce(${timeZone ?? null}::text, time_zone),
      at_cap = coalesce(${atCap ?? null}::text, at_cap),
      organization_id = case when ${organizationId !== undefined} then ${organizationId ?? null}::uuid else organization_id end
    where account_id = ${accountId}`;
  await tx.sql`select billing.roll_period(${accountId}, clock_timestamp())`;
}

export type OrganizationAllowanceChange = Pick<AllowanceChange, 'capTokens' | 'periodAnchor' | 'timeZone'>;

/** As `changeAllowance`; makes the row where it is missing. */
export async function changeOrganizationAllowance(
  tx: Tx,
  organizationId: string,
  change: OrganizationAllowanceChange,
): Promise<void> {
  const { capTokens, periodAnchor, timeZone } = change;
  await tx.sql`
    insert into billing.organization_spending (organization_id, period_anchor, period_start, period_end)
    values (${organizationId}, now(), billing.period_start(now(), 'Asia/Tokyo', now()), billing.period_end(now(), 'Asia/Tokyo', now()))
    on conflict (organization_id) do nothing`;
  await tx.sql`
    update billing.organization_spending set
      cap_tokens = case when ${capTokens !== undefined} then ${capTokens ?? null}::bigint else cap_tokens end,
      period_anchor = coalesce(${periodAnchor?.toISOString() ?? null}::timestamptz, period_anchor),
      time_zone = coalesce(${timeZone ?? null}::text, time_zone)
    where organization_id = ${organizationId}`;
  await tx.sql`select billing.roll_organization_period(${organizationId}, clock_timestamp())`;
}

export type Spending = {
  periodStart: Date;
  periodEnd: Date;
  capTokens: number | null;
  usedTokens: number;
  heldTokens: number;
  heldAddonTokens: number;
  atCap: 'stop' | 'use_bought';
  organizationId: string | null;
};

/**
 * As it stands in its row: a period that is over shows until the next answer, or a change, moves it on. In a transaction of that
 * user or of the service.
 */
export async function findSpending(tx: Tx, userId: string): Promise<Spending | undefined> {
  const [row] = await tx.sql<
    (Omit<Spending, 'capTokens' | 'usedTokens' | 'heldTokens' | 'heldAddonTokens'> & {
      capTokens: string | null;
      usedTokens: string;
      heldTokens: string;
      heldAddonTokens: string;
    })[]
  >`
    select s.period_start as "periodStart", s.period_end as "periodEnd", s.cap_tokens as "capTokens", s.used_tokens as "usedTokens",
      s.held_tokens as "heldTokens", s.held_addon_tokens as "heldAddonTokens", s.at_cap as "atCap", s.organization_id as "organizationId"
    from billing.spending s join billing.accounts a on a.id = s.account_id where a.owner_type = 'user' and a.owner_id = ${userId}`;
  return row === undefined
    ? undefined
    : {
        ...row,
        capTokens: row.capTokens === null ? null : Number(row.capTokens),
        usedTokens: Number(row.usedTokens),
        heldTokens: Number(row.heldTokens),
        heldAddonTokens: Number(row.heldAddonTokens),
      };
}
