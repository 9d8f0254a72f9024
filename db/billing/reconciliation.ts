/** Recomputes from rows of the ledger what is stored beside them, and finds where both differ. Each one snapshot; reads only. */
import type { Tx } from '../client.ts';

/** `subject` is a pseudonym or an id; `expected` is what the rows say. */
export type Difference = { subject: string; expected: string; found: string };

/** Assets whose balances do not sum up to zero: every entry has two sides. */
export async function findUnbalancedAssets(tx: Tx, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select asset as subject, '0' as expected, sum(balance)::text as found from billing.account_balances
    group by asset having sum(balance) <> 0 limit ${limit}`;
}

/** Accounts whose sum of holds is not what is noted as held. */
export async function findHeldDifferences(tx: Tx, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select s.account_id as subject, concat(coalesce(h.tokens, 0), ' + ', coalesce(h.addon, 0)) as expected,
      concat(s.held_tokens, ' + ', s.held_addon_tokens) as found
    from billing.spending s left join (
      select account_id, sum(tokens) as tokens, sum(addon_tokens) as addon from billing.holds group by account_id) as h using (account_id)
    where s.held_tokens <> coalesce(h.tokens, 0) or s.held_addon_tokens <> coalesce(h.addon, 0) limit ${limit}`;
}

/** Accounts whose tokens used in the month under way are not what their entries say. */
export async function findUsedDifferences(tx: Tx, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select subject, used::text as expected, used_tokens::text as found from (
      select account_id as subject, used_tokens, billing.used_between(account_id, period_start, period_end) as used
      from billing.spending) as compared
    where used <> used_tokens limit ${limit}`;
}

/** Organisations whose tokens used or held are not what the entries and holds of their members say. */
export async function findOrganizationDifferences(tx: Tx, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select subject, concat(used, ' used, ', held, ' held') as expected, concat(used_tokens, ' used, ', held_tokens, ' held') as found
    from (
      select organization_id as subject, used_tokens, held_tokens,
        billing.organization_used_between(organization_id, period_start, period_end) as used,
        (select coalesce(sum(h.tokens), 0) from billing.holds h where h.organization_id = s.organization_id) as held
      from billing.organization_spending s) as compared
    where used <> used_tokens or held <> held_tokens limit ${limit}`;
}

/** Holds that nobody has given back in time: the chore that does it stands still. */
export async function findForgottenHolds(tx: Tx, olderMs: number, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select id as subject, 'released' as expected, concat(state, ' until ', expires_at) as found from billing.holds
    where state = 'held' and expires_at < clock_timestamp() - make_interval(secs => ${olderMs / 1000}) order by expires_at limit ${limit}`;
}

/** Entries that the ledger refuses, or that nobody books. */
export async function findStuckEntries(tx: Tx, olderMs: number, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select id as subject, 'booked' as expected, coalesce('refused: ' || refused, concat('pending since ', created_at)) as found
    from billing.pending_entries
    where refused is not null or created_at < clock_timestamp() - make_interval(secs => ${olderMs / 1000})
    order by id limit ${limit}`;
}

/** Approved reversals without their entry, and reversed entries that nobody has approved. */
export async function findReversalDifferences(tx: Tx, limit: number): Promise<Difference[]> {
  return await tx.sql<Difference[]>`
    select q.id as subject, 'an entry that takes back' as expected, 'none' as found from billing.reversal_requests q
    where q.state = 'approved' and not exists (select from billing.token_ledger r where r.reverses_id = q.entry_id)
      and not exists (select from billing.pending_entries p where p.reverses_id = q.entry_id)
    union all
    select r.id, 'an approved reversal', 'none' from billing.token_ledger r
    where r.reverses_id is not null and r.idempotency_key like 'reversal:%' and not exists (
      select from billing.reversal_requests q where q.entry_id = r.reverses_id and q.state = 'approved')
    limit ${limit}`;
}
