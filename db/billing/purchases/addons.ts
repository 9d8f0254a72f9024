/** What is offered of tokens and tickets; one operation a function. */
import type { Tx } from '../../client.ts';

export type AddonKind = 'addon_tokens' | 'tickets';
export type AddonRow = {
  code: string;
  nameEn: string;
  nameJa: string;
  units: number;
  priceMinor: number;
  currency: string;
};
type Raw = Omit<AddonRow, 'units' | 'priceMinor'> & { units: string; priceMinor: string };

const columns = (tx: Tx) =>
  tx.sql`code, name_en as "nameEn", name_ja as "nameJa", units, price_minor as "priceMinor", currency`;
const toRow = (raw: Raw): AddonRow => ({ ...raw, units: Number(raw.units), priceMinor: Number(raw.priceMinor) });

export async function listAddons(tx: Tx, kind: AddonKind): Promise<AddonRow[]> {
  const rows = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.addons where kind = ${kind} and active order by sort, code`;
  return rows.map(toRow);
}

export async function findAddon(tx: Tx, kind: AddonKind, code: string): Promise<AddonRow | undefined> {
  const [raw] = await tx.sql<Raw[]>`
    select ${columns(tx)} from billing.addons where kind = ${kind} and code = ${code} and active`;
  return raw && toRow(raw);
}

export type PriceTierRow = { code: string; priceMinor: number; currency: string };

/** The prices that a creator may choose from (003-R48). */
export async function listPriceTiers(tx: Tx): Promise<PriceTierRow[]> {
  const rows = await tx.sql<{ code: string; priceMinor: string; currency: string }[]>`
    select code, price_minor as "priceMinor", currency from billing.price_tiers where active order by currency, sort, price_minor`;
  return rows.map((row) => ({ ...row, priceMinor: Number(row.priceMinor) }));
}
