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

/** Makes missing accounts. Sorted, so that two transactions that make the same ones wait for each other in one direction. */
export async function insertAccounts(tx: Tx, userIds: readonly string[]): Promise<void> {
  const owners = [...userIds].sort();
  await tx.sql`
    insert into billing.accounts (id, owner_type, owner_id)
    select id, 'user', owner_id from unnest(${owners.map(() => uuidv7())}::uuid[], ${owners}::uuid[]) as t (id, owner_id)
    on conflict (owner_type, owner_id) do nothing`;
}

/** Balance of each user who has one, in `asset`. */
export async function findBalances(tx: Tx, userIds: readonly string[], asset: string): Promise<Map<string, number>> {
  const rows = await tx.sql<{ owner_id: string; balance: string }[]>`
    select a.owner_id, b.balance from billing.accounts a join billing.account_balances b on b.account_id = a.id and b.asset = ${asset}
    where a.owner_type = 'user' and a.owner_id = any(${[...userIds]}::uuid[])`;
  return new Map(rows.map((row) => [row.owner_id, Number(row.balance)]));
}

/**
 * Adds to balances, which may be missing. Rows are locked in the order of account ids whatever the caller's order is: two
 * transactions can then never wait for each other in a circle.
 * @returns the new balances by account.
 */
export async function addToBalances(
  tx: Tx,
  asset: string,
  changes: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  const sorted = [...changes].sort(([a], [b]) => (a < b ? -1 : 1));
  const accounts = sorted.map(([account]) => account);
  const amounts = sorted.map(([, amount]) => amount);
  const rows = await tx.sql<{ account_id: string; balance: string }[]>`
    insert into billing.account_balances (account_id, asset, balance)
    select account_id, ${asset}, amount
    from unnest(${accounts}::uuid[], ${amounts}::bigint[]) with ordinality as t (account_id, amount, place) order by place
    on conflict (account_id, asset) do update set balance = account_balances.balance + excluded.balance
    returning account_id, balance`;
  return new Map(rows.map((row) => [row.account_id, Number(row.balance)]));
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
