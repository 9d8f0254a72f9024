/** What a person may spend in his month, as he reads it. A month that is over is told as the next one, which begins unused. */
import type { Tx } from '../client.ts';

export type SpendingNow = {
  tokens: number;
  boughtTokens: number;
  heldTokens: number;
  heldBoughtTokens: number;
  atCap: 'stop' | 'use_bought';
  startMs: number;
  endMs: number;
  capTokens: number | null;
  usedTokens: number;
};
type Raw = { [K in keyof SpendingNow]: K extends 'atCap' ? SpendingNow[K] : string | null };

/** In a transaction of that user. Undefined without an account. */
export async function findSpendingNow(tx: Tx, userId: string): Promise<SpendingNow | undefined> {
  const [row] = await tx.sql<Raw[]>`
    select
      (select balance from billing.account_balances b where b.account_id = a.id and b.asset = 'token') as tokens,
      (select balance from billing.account_balances b where b.account_id = a.id and b.asset = 'addon_token') as "boughtTokens",
      s.held_tokens as "heldTokens", s.held_addon_tokens as "heldBoughtTokens", s.at_cap as "atCap",
      extract(epoch from case when over then billing.period_start(s.period_anchor, s.time_zone, now()) else s.period_start end) * 1000 as "startMs",
      extract(epoch from case when over then billing.period_end(s.period_anchor, s.time_zone, now()) else s.period_end end) * 1000 as "endMs",
      s.cap_tokens as "capTokens", case when over then 0 else s.used_tokens end as "usedTokens"
    from billing.accounts a join billing.spending s on s.account_id = a.id
      cross join lateral (select s.period_end <= now() as over) as month
    where a.owner_type = 'user' and a.owner_id = ${userId}`;
  if (row === undefined) return undefined;
  return {
    tokens: Number(row.tokens),
    boughtTokens: Number(row.boughtTokens),
    heldTokens: Number(row.heldTokens),
    heldBoughtTokens: Number(row.heldBoughtTokens),
    atCap: row.atCap,
    startMs: Number(row.startMs),
    endMs: Number(row.endMs),
    capTokens: row.capTokens === null ? null : Number(row.capTokens),
    usedTokens: Number(row.usedTokens),
  };
}
