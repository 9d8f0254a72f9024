/** What a person's organisation may spend, and its name, as its member sees it. */
import type { Tx } from '../../client.ts';

export type OrganizationStanding = {
  organizationId: string;
  name: string;
  capTokens: number | null;
  usedTokens: number;
  heldTokens: number;
  periodEnd: Date;
};

/** In a transaction of the service. Undefined while the organisation has no cap of its own kept. */
export async function findOrganizationStanding(
  tx: Tx,
  organizationId: string,
): Promise<OrganizationStanding | undefined> {
  const [row] = await tx.sql<
    (Omit<OrganizationStanding, 'capTokens' | 'usedTokens' | 'heldTokens'> & {
      capTokens: string | null;
      usedTokens: string;
      heldTokens: string;
    })[]
  >`
    select s.organization_id as "organizationId", o.name, s.cap_tokens as "capTokens", s.held_tokens as "heldTokens",
      case when s.period_end > clock_timestamp() then s.used_tokens else 0 end as "usedTokens",
      case when s.period_end > clock_timestamp() then s.period_end
        else billing.period_end(s.period_anchor, s.time_zone, clock_timestamp()) end as "periodEnd"
    from billing.organization_spending s join identity.organizations o on o.id = s.organization_id where s.organization_id = ${organizationId}`;
  return (
    row && {
      ...row,
      capTokens: row.capTokens === null ? null : Number(row.capTokens),
      usedTokens: Number(row.usedTokens),
      heldTokens: Number(row.heldTokens),
    }
  );
}
