/** Accounts and their balances; one operation a function. */
import type { Tx } from '../client.ts';
import { uuidv7 } from '../uuid.ts';

/** The platform's own account in a shard of the ledger. */
export function platformAccount(shard: number): string {
  return `00000000-0000-4000-8000-00000000000${shard}`;
}

/** Account ids by user id; users without an account are left out. */
export async function findAccounts(tx: Tx, userIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.sql<{ id: string; owner_id: string }[]>`
    select id, owner_id from billing.accounts where owner_type = 'user' and owner_id = any(${[...userIds]}::uuid[])`;
  return new Map(rows.map((row) => [row.owner_id, row.id]));
}

/**
 * Makes missing accounts, each with its row of `spending`. Sorted, so that two transactions that make the same ones wait for each
 * other in one direction.
 */
export async function openAccounts(tx: Tx, userIds: readonly string[]): Promise<Map<string, string>> {
  const owners = [...userIds].sort();
  const rows = await tx.sql<{ owner_id: string; id: string }[]>`
    select owner_id, billing.open_account(owner_id, new_id) as id
    from unnest(${owners.map(() => uuidv7())}::uuid[], ${owners}::uuid[]) with ordinality as t (new_id, owner_id, place) order by place`;
  return new Map(rows.map((row) => [row.owner_id, row.id]));
}

export type Balances = { tokens: number; addonTokens: number };

/** What each user has who has anything; in a transaction of that user or of the service. */
export async function findBalances(tx: Tx, userIds: readonly string[]): Promise<Map<string, Balances>> {
  const rows = await tx.sql<{ owner_id: string; tokens: string; addon_tokens: string }[]>`
    select a.owner_id, coalesce(sum(b.balance) filter (where b.asset = 'token'), 0) as tokens,
      coalesce(sum(b.balance) filter (where b.asset = 'addon_token'), 0) as addon_tokens
    from billing.accounts a join billing.account_balances b on b.account_id = a.id
    where a.owner_type = 'user' and a.owner_id = any(${[...userIds]}::uuid[]) group by a.owner_id`;
  return new Map(
    rows.map((row) => [row.owner_id, { tokens: Number(row.tokens), addonTokens: Number(row.addon_tokens) }]),
  );
}

export type BalanceMismatch = { accountId: string; asset: string; stored: string | null; entries: string | null };

/** Accounts whose stored balance is not the sum of their entries; one snapshot of both. */
export async function findBalanceMismatches(tx: Tx, limit: number): Promise<BalanceMismatch[]> {
  return await tx.sql<BalanceMismatch[]>`
    with moved as (
      select account_id, asset, sum(amount) as total from (
        select to_account as account_id, asset, token_amount as amount from billing.token_ledger
        union all select from_account, asset, -token_amount from billing.token_ledger) as movement
      group by account_id, asset)
    select account_id as "accountId", asset, b.balance::text as stored, moved.total::text as entries
    from moved full join billing.account_balances b using (account_id, asset)
    where moved.total is distinct from b.balance and not (moved.total is null and b.balance = 0)
    limit ${limit}`;
}
