/** Which transfers are to be made, and by whom. One operation a function. */
import type { Tx } from '../../client.ts';

export type Claim = {
  payoutId: string;
  accountId: string;
  providerAccountId: string;
  amountMinor: number;
  currency: string;
  month: string;
  attempt: number;
  /** True when somebody has tried before and its outcome is not known. */
  isRepeated: boolean;
};
type RawClaim = Omit<Claim, 'amountMinor'> & { amountMinor: string };

/**
 * Takes one transfer that is due, for `leaseMs`: an approved payout whose creator may be paid and has an account that can be paid
 * to, or one whose last try has said nothing for too long. Nobody else gets it meanwhile, and nobody removes the account.
 */
export async function claimTransfer(tx: Tx, provider: string, leaseMs: number): Promise<Claim | undefined> {
  const [row] = await tx.sql<RawClaim[]>`
    with due as (
      select p.id, p.status, a.id as account_id, a.provider_account_id from billing.payouts p
      join identity.creators c on c.id = p.creator_id
      join billing.payout_accounts a on a.creator_id = p.creator_id and a.provider = ${provider} and (
        (p.status = 'approved' and c.status = 'active' and a.is_default and a.payouts_enabled and a.deleted_at is null)
        or (p.status = 'transferring' and p.claimed_until < now() and a.id = p.payout_account_id))
      where p.status in ('approved', 'transferring') and a.provider_account_id is not null
      order by p.id limit 1 for update of p skip locked for share of a skip locked)
    update billing.payouts p set status = 'transferring', payout_account_id = due.account_id, updated_at = now(),
      claimed_until = now() + ${leaseMs}::float8 * interval '1 millisecond'
    from due where p.id = due.id
    returning p.id as "payoutId", due.account_id as "accountId", due.provider_account_id as "providerAccountId",
      p.amount_minor as "amountMinor", p.currency, p.month, p.attempt, due.status = 'transferring' as "isRepeated"`;
  return row && { ...row, amountMinor: Number(row.amountMinor) };
}

/** Why an approved payout does not go: for operators and for the creator. */
export type Obstacle = 'no_account' | 'account_not_ready' | 'creator_suspended';

export async function findObstacle(tx: Tx, creatorId: string): Promise<Obstacle | undefined> {
  const [row] = await tx.sql<{ status: string; has_account: boolean; ready: boolean }[]>`
    select c.status, a.id is not null as has_account, coalesce(a.payouts_enabled and a.provider_account_id is not null, false) as ready
    from identity.creators c left join billing.payout_accounts a on a.creator_id = c.id and a.is_default and a.deleted_at is null
    where c.id = ${creatorId}`;
  if (row === undefined || !row.has_account) return 'no_account';
  if (row.status !== 'active') return 'creator_suspended';
  return row.ready ? undefined : 'account_not_ready';
}
