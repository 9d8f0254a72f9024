/** Rows of what is on sale, as prices and offers. */
import type { AddonRow } from '../../../db/billing/purchases/addons.ts';
import type { Offer, Price } from './product.ts';

export function addonOffer(row: AddonRow): Offer {
  const { code: id, nameEn: en, nameJa: ja, units, priceMinor: amountMinor, currency } = row;
  return { id, amountMinor, currency, units, name: { en, ja }, interval: null };
}

export function addonPrice(row: AddonRow | undefined): Price | undefined {
  return row && addonOffer(row);
}
