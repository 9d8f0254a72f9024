/** Tickets for money. */
import { findAddon, listAddons } from '../../../db/billing/purchases/addons.ts';
import { addonOffer, addonPrice } from '../purchases/addon-offer.ts';
import type { ProductType } from '../purchases/product.ts';
import type { Tickets } from './tickets.ts';

const TYPE = 'tickets';

export function ticketProduct(tickets: Pick<Tickets, 'ofPurchase'>): ProductType {
  return {
    type: TYPE,
    mode: 'payment',
    unit: 'ticket',
    maxQuantity: 20,
    checkExists: async (tx, id) => (await findAddon(tx, TYPE, id)) !== undefined,
    priceOf: async (tx, id) => addonPrice(await findAddon(tx, TYPE, id)),
    offers: async (tx) => (await listAddons(tx, TYPE)).map(addonOffer),
    async grant(tx, { userId, units: amount, purchaseId }) {
      await tickets.ofPurchase(tx, 'purchase', { userId, amount, key: `purchase:${purchaseId}` }, purchaseId);
      return {};
    },
    async revoke(tx, { userId, purchaseId }, { units: amount, key }) {
      await tickets.ofPurchase(tx, 'refund', { userId, amount, key: `clawback:${key}` }, purchaseId);
      return [];
    },
    async restore(tx, { userId, purchaseId }, { units: amount, key }) {
      await tickets.ofPurchase(tx, 'grant', { userId, amount, key: `restore:${key}` }, purchaseId);
      return [];
    },
  };
}
