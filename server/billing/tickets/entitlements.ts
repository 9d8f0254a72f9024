/**
 * Rights to things (001-R24, R25, R55, R62): from a purchase, given, or restored. At most one is valid for a person and a thing; when
 * it goes because its money went back, another purchase that still holds takes its place.
 */

import { findHoldingPurchase } from '../../../db/billing/purchases/purchases.ts';
import {
  type EntitlementRow,
  findValidEntitlement,
  insertEntitlement,
  listEntitlements,
  revokeBySource,
  revokeEntitlement,
  wasEndedByDecision,
} from '../../../db/billing/tickets/entitlements.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Purchase } from '../purchases/product.ts';

export type Thing = { type: string; id: string };

export class Entitlements {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** In any transaction that may see it: of the person, or of the service. */
  async isEntitled(tx: Tx, userId: string, thing: Thing): Promise<boolean> {
    return (await findValidEntitlement(tx, userId, thing.type, thing.id)) !== undefined;
  }

  /** Gives a right away, in a transaction of the service. @returns false when he has it already. */
  grantFree(tx: Tx, userId: string, thing: Thing, grantedBy: string | null): Promise<boolean> {
    const { type, id: itemId } = thing;
    return insertEntitlement(tx, {
      id: uuidv7(),
      userId,
      type,
      itemId,
      source: 'grant',
      sourcePurchaseId: null,
      grantedBy,
    });
  }

  /** The right that a purchase gives. @returns false when he has it already from elsewhere. */
  async grantFor(tx: Tx, purchase: Purchase): Promise<boolean> {
    return this.#insert(tx, purchase, 'purchase');
  }

  /** Takes back what a purchase gave. */
  async revokeFor(tx: Tx, purchase: Purchase, reason: string): Promise<void> {
    const revoked = await revokeBySource(tx, purchase.purchaseId, reason);
    if (revoked.length === 0) return;
    const { userId, type, itemId } = purchase;
    const other = await findHoldingPurchase(tx, { id: purchase.purchaseId, userId, type, itemId });
    if (other !== undefined) await this.#insert(tx, { ...purchase, purchaseId: other.id }, 'restore');
  }

  /** Gives back what `revokeFor` took; not what was ended by a decision. */
  async restoreFor(tx: Tx, purchase: Purchase): Promise<void> {
    if (await wasEndedByDecision(tx, purchase.purchaseId)) return;
    await this.#insert(tx, purchase, 'restore');
  }

  /**
   * Ends one right, whatever it came from, for good: a dispute that is won later does not bring it back.
   * @returns false when it is not valid.
   */
  async revoke(
    tx: Tx,
    userId: string,
    entitlementId: string,
    by: { reason: string; revokedBy: string | null },
  ): Promise<boolean> {
    return (await revokeEntitlement(tx, userId, entitlementId, by)) !== undefined;
  }

  /** Newest first. */
  async page(
    userId: string,
    options: { validOnly: boolean; before: string | undefined; limit: number },
  ): Promise<{ rows: EntitlementRow[]; nextBefore: string | null }> {
    const { limit } = options;
    const found = await this.#db.asUser(userId, (tx) => listEntitlements(tx, userId, { ...options, limit: limit + 1 }));
    const rows = found.slice(0, limit);
    return { rows, nextBefore: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
  }

  #insert(tx: Tx, { userId, type, itemId, purchaseId }: Purchase, source: 'purchase' | 'restore'): Promise<boolean> {
    const row = { id: uuidv7(), userId, type, itemId, source, sourcePurchaseId: purchaseId, grantedBy: null };
    return insertEntitlement(tx, row);
  }
}
