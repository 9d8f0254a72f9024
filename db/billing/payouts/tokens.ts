/** Tokens that owners of avatars earned, and what of them was turned into money. One operation a function. */
import type { Tx } from '../../client.ts';

/** Earned by answers that were booked before `beforeMs` and not taken back, by asset. */
export async function sumEarnedTokens(tx: Tx, account: string, asset: string, beforeMs: number): Promise<number> {
  const [row] = await tx.sql<{ sum: string }[]>`
    select coalesce(sum(token_amount), 0)::text as sum from billing.token_ledger e
    where to_account = ${account} and asset = ${asset} and purpose = 'generation' and created_at < ${new Date(beforeMs)}
      and not exists (select from billing.token_ledger r where r.reverses_id = e.id)
      and not exists (select from billing.pending_entries p where p.reverses_id = e.id)`;
  return Number(row?.sum ?? 0);
}

export async function sumConvertedTokens(tx: Tx, creatorId: string, asset: string): Promise<number> {
  const [row] = await tx.sql<{ sum: string }[]>`
    select coalesce(sum(token_amount), 0)::text as sum from billing.creator_earnings
    where creator_id = ${creatorId} and kind = 'tokens' and product_type = ${asset}`;
  return Number(row?.sum ?? 0);
}

/** What the account may give up now; it stays so till the end of this transaction. */
export async function freeTokens(tx: Tx, account: string, asset: string): Promise<number> {
  const [row] = await tx.sql<{ free: string }[]>`select billing.free_tokens(${account}, ${asset})::text as free`;
  return Number(row?.free ?? 0);
}

export async function setAside(tx: Tx, holdId: string, account: string, asset: string, amount: number): Promise<void> {
  await tx.sql`select billing.set_aside(${holdId}, ${account}, ${asset}, ${amount})`;
}
