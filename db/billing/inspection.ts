/** What operators look up in the ledger: accounts with what they have and hold, and entries. Reads only. */
import type { Tx } from '../client.ts';

export type AccountRow = {
  accountId: string;
  userId: string | null;
  tokens: number;
  addonTokens: number;
  periodStartMs: number | null;
  periodEndMs: number | null;
  capTokens: number | null;
  usedTokens: number;
  heldTokens: number;
  heldAddonTokens: number;
  holds: number;
  pendingEntries: number;
};
type RawAccount = { [K in keyof AccountRow]: K extends 'accountId' | 'userId' ? AccountRow[K] : string | null };

/** Newest first. */
export async function listAccounts(
  tx: Tx,
  wish: { userId?: string; accountId?: string; before?: string; limit: number },
): Promise<AccountRow[]> {
  const { userId = null, accountId = null, before = null } = wish;
  const rows = await tx.sql<RawAccount[]>`
    select a.id as "accountId", case when a.owner_type = 'user' then a.owner_id end as "userId",
      (select balance from billing.account_balances b where b.account_id = a.id and b.asset = 'token') as tokens,
      (select balance from billing.account_balances b where b.account_id = a.id and b.asset = 'addon_token') as "addonTokens",
      extract(epoch from s.period_start) * 1000 as "periodStartMs", extract(epoch from s.period_end) * 1000 as "periodEndMs",
      s.cap_tokens as "capTokens", s.used_tokens as "usedTokens", s.held_tokens as "heldTokens",
      s.held_addon_tokens as "heldAddonTokens",
      (select count(*) from billing.holds h where h.account_id = a.id) as holds,
      (select count(*) from billing.pending_entries p where a.id in (p.from_account, p.to_account)) as "pendingEntries"
    from billing.accounts a left join billing.spending s on s.account_id = a.id
    where (${accountId}::uuid is null or a.id = ${accountId}::uuid)
      and (${userId}::uuid is null or (a.owner_type = 'user' and a.owner_id = ${userId}::uuid))
      and (${before}::uuid is null or a.id < ${before}::uuid)
    order by a.id desc limit ${wish.limit}`;
  return rows.map((row) => ({
    accountId: row.accountId,
    userId: row.userId,
    tokens: Number(row.tokens),
    addonTokens: Number(row.addonTokens),
    periodStartMs: numberOf(row.periodStartMs),
    periodEndMs: numberOf(row.periodEndMs),
    capTokens: numberOf(row.capTokens),
    usedTokens: Number(row.usedTokens),
    heldTokens: Number(row.heldTokens),
    heldAddonTokens: Number(row.heldAddonTokens),
    holds: Number(row.holds),
    pendingEntries: Number(row.pendingEntries),
  }));
}

const numberOf = (value: string | null): number | null => (value === null ? null : Number(value));

export type EntryRow = {
  entryId: string;
  shard: number;
  seq: number;
  hash: string;
  fromAccount: string;
  toAccount: string;
  asset: string;
  tokenAmount: number;
  purpose: string;
  generationId: string | null;
  reversesId: string | null;
  reversedBy: string | null;
  createdAtMs: number;
};

/** Newest first. Of one account by its two indexes; of all by the ids, which are in order of time. */
export async function listLedgerEntries(
  tx: Tx,
  wish: { accountId?: string; entryId?: string; generationId?: string; before?: string; limit: number },
): Promise<EntryRow[]> {
  const before = wish.before ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  const chosen = tx.sql`select * from billing.token_ledger`;
  const source =
    wish.entryId !== undefined
      ? tx.sql`${chosen} where id = ${wish.entryId}`
      : wish.generationId !== undefined
        ? tx.sql`${chosen} where idempotency_key in (${`generation:${wish.generationId}`}, ${`generation:${wish.generationId}:addon`})`
        : wish.accountId !== undefined
          ? tx.sql`(${chosen} where from_account = ${wish.accountId} and id < ${before} order by id desc limit ${wish.limit})
              union all (${chosen} where to_account = ${wish.accountId} and id < ${before} order by id desc limit ${wish.limit})`
          : tx.sql`${chosen} where id < ${before} order by id desc limit ${wish.limit}`;
  const rows = await tx.sql<(Omit<EntryRow, 'seq' | 'tokenAmount'> & { seq: string; tokenAmount: string })[]>`
    select e.id as "entryId", e.shard, e.seq, encode(e.hash, 'hex') as hash, e.from_account as "fromAccount", e.to_account as "toAccount",
      e.asset, e.token_amount as "tokenAmount", e.purpose, e.generation_id as "generationId", e.reverses_id as "reversesId",
      (select r.id from billing.token_ledger r where r.reverses_id = e.id) as "reversedBy",
      (extract(epoch from e.created_at) * 1000)::float8 as "createdAtMs"
    from (${source}) as e order by e.id desc limit ${wish.limit}`;
  return rows.map((row) => ({ ...row, seq: Number(row.seq), tokenAmount: Number(row.tokenAmount) }));
}
