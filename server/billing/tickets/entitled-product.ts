/** Any thing that one has or has not: a pack, a prompt. Its domain says what there is and what it costs; the right is kept here. */
import type { Tx } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import type { Offer, Price, ProductType, Purchase } from '../purchases/product.ts';
import type { Entitlements } from './entitlements.ts';

export type Thing = {
  type: string;
  checkExists(tx: Tx, id: string): Promise<boolean>;
  /** Undefined when it is not for sale. */
  priceOf(tx: Tx, id: string, userId: string): Promise<Omit<Price, 'units' | 'interval'> | undefined>;
  offers?(tx: Tx, userId: string): Promise<readonly Offer[]>;
  /** The user who made it and earns by it. */
  creatorOf?(tx: Tx, purchase: Purchase): Promise<string | undefined>;
  /** In the same transaction. */
  onSold?(tx: Tx, purchase: Purchase): Promise<void>;
  onTakenBack?(tx: Tx, purchase: Purchase): Promise<void>;
  onRestored?(tx: Tx, purchase: Purchase): Promise<void>;
};

/**
 * @example products.add(entitledProduct(entitlements, { type: 'pack', checkExists: packs.exists, priceOf: packs.price }));
 */
export function entitledProduct(entitlements: Entitlements, thing: Thing): ProductType {
  const { type } = thing;
  return {
    type,
    mode: 'payment',
    unit: 'thing',
    maxQuantity: 1,
    checkExists: thing.checkExists,
    async priceOf(tx, id, userId) {
      if (!(await thing.checkExists(tx, id))) return undefined;
      if (await entitlements.isEntitled(tx, userId, { type, id })) throw new AppError('billing.already_owned');
      const price = await thing.priceOf(tx, id, userId);
      return price && { ...price, units: 1, interval: null };
    },
    offers: (tx, userId) => thing.offers?.(tx, userId) ?? Promise.resolve([]),
    creatorOf: (tx, purchase) => thing.creatorOf?.(tx, purchase) ?? Promise.resolve(undefined),
    async grant(tx, purchase) {
      // Paid twice, from two windows: one right, and the money of the second goes back.
      if (!(await entitlements.grantFor(tx, purchase))) return { duplicate: true };
      await thing.onSold?.(tx, purchase);
      return {};
    },
    async revoke(tx, purchase, { reason }) {
      await entitlements.revokeFor(tx, purchase, reason);
      await thing.onTakenBack?.(tx, purchase);
      return [];
    },
    async restore(tx, purchase) {
      await entitlements.restoreFor(tx, purchase);
      await thing.onRestored?.(tx, purchase);
      return [];
    },
  };
}
