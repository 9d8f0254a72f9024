/** The plans that are offered; one operation a function. */
import type { Tx } from '../../client.ts';

export type PlanRow = {
  code: string;
  nameEn: string;
  nameJa: string;
  avatarLimit: number;
  /** Null: no cap. */
  monthlyTokenLimit: number | null;
  monthlyTokens: number;
  priceMinor: number;
  currency: string;
  interval: 'month' | 'year';
  active: boolean;
  sort: number;
};
export type PlanChange = Partial<Omit<PlanRow, 'code'>>;
type Raw = Omit<PlanRow, 'monthlyTokenLimit' | 'monthlyTokens' | 'priceMinor'> & {
  monthlyTokenLimit: string | null;
  monthlyTokens: string;
  priceMinor: string;
};

const columns = (tx: Tx) => tx.sql`code, name_en as "nameEn", name_ja as "nameJa", avatar_limit as "avatarLimit",
  monthly_token_limit as "monthlyTokenLimit", monthly_tokens as "monthlyTokens", price_minor as "priceMinor", currency, interval, active, sort`;
const toRow = (raw: Raw): PlanRow => ({
  ...raw,
  monthlyTokenLimit: raw.monthlyTokenLimit === null ? null : Number(raw.monthlyTokenLimit),
  monthlyTokens: Number(raw.monthlyTokens),
  priceMinor: Number(raw.priceMinor),
});

/** All of them, those that are not offered any more included. */
export async function listPlans(tx: Tx): Promise<PlanRow[]> {
  return (await tx.sql<Raw[]>`select ${columns(tx)} from billing.plans order by sort, code`).map(toRow);
}

export async function findPlan(tx: Tx, code: string): Promise<PlanRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`select ${columns(tx)} from billing.plans where code = ${code}`;
  return raw && toRow(raw);
}

/** `most`: plans there may be, those that are not offered any more included. */
export async function insertPlan(tx: Tx, plan: PlanRow, most: number): Promise<'added' | 'exists' | 'too_many'> {
  // One at a time, so that two cannot both be the last one. The free plan is always there.
  await tx.sql`select from billing.plans where code = 'free' for no key update`;
  const [there] = await tx.sql<{ exists: boolean; count: number }[]>`
    select coalesce(bool_or(code = ${plan.code}), false) as exists, count(*)::integer as count from billing.plans`;
  if (there?.exists === true) return 'exists';
  if ((there?.count ?? 0) >= most) return 'too_many';
  await tx.sql`
    insert into billing.plans (code, name_en, name_ja, avatar_limit, monthly_token_limit, monthly_tokens, price_minor, currency, interval, active, sort)
    values (${plan.code}, ${plan.nameEn}, ${plan.nameJa}, ${plan.avatarLimit}, ${plan.monthlyTokenLimit}, ${plan.monthlyTokens}, ${plan.priceMinor},
      ${plan.currency}, ${plan.interval}, ${plan.active}, ${plan.sort})`;
  return 'added';
}

/** What is left out stays. */
export async function updatePlan(tx: Tx, code: string, change: PlanChange): Promise<PlanRow | undefined> {
  const { nameEn, nameJa, avatarLimit, monthlyTokenLimit, monthlyTokens, priceMinor, currency, interval } = change;
  const { active, sort } = change;
  const [raw] = await tx.sql<Raw[]>`
    update billing.plans set
      name_en = coalesce(${nameEn ?? null}::text, name_en), name_ja = coalesce(${nameJa ?? null}::text, name_ja),
      avatar_limit = coalesce(${avatarLimit ?? null}::integer, avatar_limit),
      monthly_token_limit = case when ${monthlyTokenLimit !== undefined} then ${monthlyTokenLimit ?? null}::bigint else monthly_token_limit end,
      monthly_tokens = coalesce(${monthlyTokens ?? null}::bigint, monthly_tokens),
      price_minor = coalesce(${priceMinor ?? null}::bigint, price_minor), currency = coalesce(${currency ?? null}::text, currency),
      interval = coalesce(${interval ?? null}::text, interval), active = coalesce(${active ?? null}::boolean, active),
      sort = coalesce(${sort ?? null}::integer, sort), updated_at = now()
    where code = ${code} returning ${columns(tx)}`;
  return raw && toRow(raw);
}
