/** Usage by owner and day. */
import type { Tx } from '../client.ts';

export type UsageDayRow = {
  userId: string;
  /** `YYYY-MM-DD`, UTC. */
  day: string;
  tokensIn: number;
  tokensOut: number;
  conversations: number;
};

/** Adds to the counters. At most one row a user and day; locked in that order. */
export async function addUsage(tx: Tx, rows: readonly UsageDayRow[]): Promise<void> {
  const sorted = [...rows].sort((a, b) => (`${a.userId}${a.day}` < `${b.userId}${b.day}` ? -1 : 1));
  await tx.sql`
    insert into billing.usage_counters (owner_type, owner_id, period_day, tokens_in, tokens_out, conv_count)
    select 'user', owner_id, period_day, tokens_in, tokens_out, conv_count from unnest(
      ${sorted.map((row) => row.userId)}::uuid[], ${sorted.map((row) => row.day)}::date[],
      ${sorted.map((row) => row.tokensIn)}::bigint[], ${sorted.map((row) => row.tokensOut)}::bigint[],
      ${sorted.map((row) => row.conversations)}::bigint[]
    ) with ordinality as t (owner_id, period_day, tokens_in, tokens_out, conv_count, place) order by place
    on conflict (owner_type, owner_id, period_day) do update set
      tokens_in = usage_counters.tokens_in + excluded.tokens_in,
      tokens_out = usage_counters.tokens_out + excluded.tokens_out,
      conv_count = usage_counters.conv_count + excluded.conv_count`;
}

/** Days with usage from `fromDay` on, newest first. */
export async function listUsage(tx: Tx, userId: string, fromDay: string): Promise<UsageDayRow[]> {
  const rows = await tx.sql<{ day: string; tokens_in: string; tokens_out: string; conv_count: string }[]>`
    select period_day::text as day, tokens_in, tokens_out, conv_count from billing.usage_counters
    where owner_type = 'user' and owner_id = ${userId} and period_day >= ${fromDay}::date order by period_day desc`;
  return rows.map((row) => ({
    userId,
    day: row.day,
    tokensIn: Number(row.tokens_in),
    tokensOut: Number(row.tokens_out),
    conversations: Number(row.conv_count),
  }));
}
