/**
 * What can be sold. A domain registers one `ProductType` for each kind of thing; billing knows prices, payments and what share of a
 * purchase holds, and nothing about the thing itself.
 */
import type { Tx } from '../../../db/client.ts';
import type { PendingRef } from '../ledger/movement.ts';

/** Of one piece, for one person, now. A payment keeps the price it began with. */
export type Price = {
  /** In the smallest unit of `currency`; never from the client. */
  amountMinor: number;
  /** ISO 4217, lower case. */
  currency: string;
  /** What one piece grants: tokens, tickets; 1 for a thing. */
  units: number;
  name: { en: string; ja: string };
  /** How often it is paid; null where it is paid once. */
  interval: 'month' | 'year' | null;
};
export type Offer = Price & { id: string };

/** What a product type is told about a purchase. */
export type Purchase = Readonly<{
  purchaseId: string;
  userId: string;
  type: string;
  itemId: string;
  quantity: number;
  amountMinor: number;
  currency: string;
  /** What all of it grants. */
  units: number;
}>;

/** A change of a purchase: so many of its units are taken back, or given back. `key` is unique for the change. */
export type Change = Readonly<{ units: number; key: string; reason: 'refund' | 'dispute' | 'restored' }>;

export type Granted = {
  /** Entries of the ledger that the caller waits for after the commit. */
  entries?: readonly PendingRef[];
  /** He has it already, or cannot have it any more: nothing was granted, and the money goes back. */
  duplicate?: boolean;
};

/**
 * Every function runs in the transaction of the service that stores the purchase, once for each change; an error rolls all of it
 * back, and it is tried again.
 */
export type ProductType = {
  /** `pack`, `prompt`, …; goes into `billing.purchases.type`. */
  readonly type: string;
  readonly mode: 'payment' | 'subscription';
  /** What is counted. Tokens and tickets can be taken back in part, a thing cannot. */
  readonly unit: 'token' | 'ticket' | 'thing';
  readonly maxQuantity: number;
  checkExists(tx: Tx, id: string): Promise<boolean>;
  /**
   * Undefined when it is not for sale to this person.
   * @throws AppError when he may not buy it for a reason that he should hear: `billing.already_owned`.
   */
  priceOf(tx: Tx, id: string, userId: string): Promise<Price | undefined>;
  /** What the list of offers shows; empty where the domain shows its things itself. */
  offers(tx: Tx, userId: string): Promise<readonly Offer[]>;
  grant(tx: Tx, purchase: Purchase): Promise<Granted>;
  revoke(tx: Tx, purchase: Purchase, change: Change): Promise<readonly PendingRef[]>;
  /** The user who earns by it, where somebody does: he gets his share of what was paid. */
  creatorOf?(tx: Tx, purchase: Purchase): Promise<string | undefined>;
  /** Money that was on its way back stayed after all: a dispute was won, or a refund failed. */
  restore(tx: Tx, purchase: Purchase, change: Change): Promise<readonly PendingRef[]>;
};

/** What creators' earnings are told of purchases; `payouts` provides it. */
export type CreatorSales = {
  recordSale(
    tx: Tx,
    sale: {
      creatorUserId: string;
      purchaseId: string;
      grossMinor: number;
      currency: string;
      soldAtMs: number;
      productType: string;
      productId: string;
    },
  ): Promise<unknown>;
  setRefunded(
    tx: Tx,
    state: { purchaseId: string; refundedMinor: number; key: string; atMs: number },
  ): Promise<unknown>;
};

/**
 * The product types of this server, by name.
 * @example products.add(packProduct(packs)); // in `services.ts`, once
 */
export class ProductRegistry {
  readonly #types = new Map<string, ProductType>();
  /** Who counts what creators earn; undefined: nobody does. */
  sales: CreatorSales | undefined;

  add(product: ProductType): void {
    if (this.#types.has(product.type)) throw new Error(`Two domains sell the type ${product.type}.`);
    this.#types.set(product.type, product);
  }

  find(type: string): ProductType | undefined {
    return this.#types.get(type);
  }

  /** @throws Error for a type that was sold once and that nobody registers any more. */
  get(type: string): ProductType {
    const found = this.#types.get(type);
    if (found === undefined) throw new Error(`Nobody registers the product type ${type}.`);
    return found;
  }

  all(): Iterable<ProductType> {
    return this.#types.values();
  }
}
