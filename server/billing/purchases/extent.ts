/** How much of a purchase holds, from what became of its money. Pure. */
import type { DisputeState, PurchaseStatus } from '../../../db/billing/purchases/purchases.ts';

export type MoneyBack = { refundedMinor: number; dispute: DisputeState };

/**
 * Units that are to be taken back: all while a dispute is open or when it was lost, else the refunded share, rounded down in
 * favour of the buyer. What cannot be divided is taken back only when all of the money is.
 */
export function unitsToRevoke(
  bought: { units: number; amountMinor: number; divisible: boolean },
  { refundedMinor, dispute }: MoneyBack,
): number {
  const { units, amountMinor, divisible } = bought;
  if (dispute === 'open' || dispute === 'lost') return units;
  if (refundedMinor <= 0 || amountMinor === 0) return 0;
  if (refundedMinor >= amountMinor) return units;
  // With big integers: units times amount can be beyond what a double counts exactly.
  return divisible ? Number((BigInt(units) * BigInt(refundedMinor)) / BigInt(amountMinor)) : 0;
}

export function statusOf(amountMinor: number, { refundedMinor, dispute }: MoneyBack): PurchaseStatus {
  if (dispute === 'open') return 'disputed';
  if (dispute === 'lost') return 'charged_back';
  if (refundedMinor <= 0) return 'paid';
  return refundedMinor >= amountMinor ? 'refunded' : 'partially_refunded';
}
