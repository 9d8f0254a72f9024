/** Rows as they travel. */
import type { PurchaseRow } from '../../../db/billing/purchases/purchases.ts';
import type { Purchase } from '../../../protocol/billing-purchases.ts';

export function shownPurchase(row: PurchaseRow): Purchase {
  const {
    id: purchaseId,
    type,
    itemId,
    quantity,
    amountMinor,
    currency,
    units,
    unitsRevoked,
    refundedMinor,
    status,
  } = row;
  const createdAt = row.createdAt.toISOString();
  return {
    purchaseId,
    type,
    itemId,
    quantity,
    amountMinor,
    currency,
    units,
    unitsRevoked,
    refundedMinor,
    status,
    createdAt,
  };
}
