/**
 * Applies what the provider says about a payment to our rows: the payment, its purchase, what it granted, refunds. A function of the
 * state at the provider: applied in any order and as often as one likes, it ends the same.
 */

import { applySync, lockPayment, type PaymentRow, type PaymentStatus } from '../../../db/billing/purchases/payments.ts';
import {
  grantedNothing,
  insertPurchase,
  lockPurchaseOf,
  type PurchaseRow,
  updatePurchase,
} from '../../../db/billing/purchases/purchases.ts';
import {
  findRefund,
  insertRefund,
  updateRefund,
  updateRefundByProvider,
} from '../../../db/billing/purchases/refunds.ts';
import { databaseNow } from '../../../db/billing/stripe/events.ts';
import type { Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { PendingRef } from '../ledger/movement.ts';
import { statusOf, unitsToRevoke } from './extent.ts';
import type { PaymentFacts } from './gateway.ts';
import type { ProductRegistry, Purchase } from './product.ts';

export type Applied = {
  payment: PaymentRow;
  status: PaymentStatus;
  /** The purchase as it is now, where there is one. */
  purchase: PurchaseRow | undefined;
  /** True when anything of it is new to the user. */
  changed: boolean;
  entries: readonly PendingRef[];
};

/**
 * In a transaction of the service.
 * @param sync the number under which the provider was asked; when a later answer was applied before, nothing is done.
 */
export async function applyPayment(
  tx: Tx,
  products: ProductRegistry,
  paymentId: string,
  sync: number,
  facts: PaymentFacts,
): Promise<Applied | undefined> {
  const payment = await lockPayment(tx, paymentId);
  if (payment === undefined || payment.syncApplied >= sync) return undefined;
  const before = await lockPurchaseOf(tx, payment.id);
  const status = statusAfter(payment, before, facts);
  const { sessionId, intentId, subscriptionId } = facts;
  await applySync(tx, payment.id, { sync, status, sessionId, intentId, subscriptionId });
  const statusChanged = status !== payment.status;
  if (status !== 'succeeded' || payment.mode === 'subscription')
    return { payment, status, purchase: before, changed: statusChanged, entries: [] };
  const made = before === undefined ? await makePurchase(tx, products, payment, facts) : undefined;
  const purchase = before ?? made?.purchase;
  if (purchase === undefined) throw new Error('A payment that succeeded has no purchase.');
  await noteRefunds(tx, purchase, facts);
  const after = await adjust(tx, products, purchase, facts);
  return {
    payment,
    status,
    purchase: after.purchase,
    changed: statusChanged || made !== undefined || after.changed,
    entries: [...(made?.entries ?? []), ...after.entries],
  };
}

/** What was paid counts only when it is what we asked for. A purchase, once made, keeps its payment succeeded. */
function statusAfter(payment: PaymentRow, purchase: PurchaseRow | undefined, facts: PaymentFacts): PaymentStatus {
  if (purchase !== undefined) return 'succeeded';
  if (facts.status !== 'succeeded') return facts.status;
  // A subscription's checkout may be for less than the plan (a trial, a credit): its invoices say what was paid.
  if (payment.mode === 'subscription') return 'succeeded';
  if (facts.amountMinor === payment.amount && facts.currency === payment.currency) return 'succeeded';
  // An operator looks at it until nothing of it is left here.
  return facts.refundedMinor >= facts.amountMinor ? 'failed' : 'mismatched';
}

async function makePurchase(
  tx: Tx,
  products: ProductRegistry,
  payment: PaymentRow,
  facts: PaymentFacts,
): Promise<{ purchase: PurchaseRow; entries: readonly PendingRef[] }> {
  const product = products.get(payment.productType);
  const { userId, productType: type, productId: itemId, quantity, units, provider, currency } = payment;
  const paymentId = facts.intentId ?? facts.invoiceId ?? facts.sessionId;
  if (paymentId === null) throw new Error('A payment that succeeded has no id.');
  const tokensGranted = product.unit === 'token' ? units : 0;
  const purchase = await insertPurchase(tx, {
    id: uuidv7(),
    userId,
    type,
    itemId,
    quantity,
    provider,
    paymentId,
    paymentRowId: payment.id,
    amountMinor: facts.amountMinor,
    currency,
    units,
    tokensGranted,
  });
  const { entries = [], duplicate = false } = await product.grant(tx, toPurchase(purchase));
  if (!duplicate) {
    await tellSale(tx, products, purchase);
    return { purchase, entries };
  }
  await Promise.all([grantedNothing(tx, purchase.id), refundDuplicate(tx, purchase)]);
  return { purchase: { ...purchase, units: 0 }, entries };
}

/** Takes back, or gives back, the difference between what holds and what should hold. */
async function adjust(
  tx: Tx,
  products: ProductRegistry,
  purchase: PurchaseRow,
  { refundedMinor: refundedAtProvider, dispute }: PaymentFacts,
): Promise<{ purchase: PurchaseRow; changed: boolean; entries: readonly PendingRef[] }> {
  const product = products.get(purchase.type);
  const back = { refundedMinor: Math.min(refundedAtProvider, purchase.amountMinor), dispute };
  const unitsRevoked = unitsToRevoke({ ...purchase, divisible: product.unit !== 'thing' }, back);
  const status = statusOf(purchase.amountMinor, back);
  const same =
    back.refundedMinor === purchase.refundedMinor &&
    dispute === purchase.dispute &&
    unitsRevoked === purchase.unitsRevoked;
  if (same) return { purchase, changed: false, entries: [] };
  const revision = purchase.revision + 1;
  const units = unitsRevoked - purchase.unitsRevoked;
  const key = `${purchase.id}:${revision}`;
  let entries: readonly PendingRef[] = [];
  if (units > 0) {
    const reason = isContested(dispute) ? 'dispute' : 'refund';
    entries = await product.revoke(tx, toPurchase(purchase), { units, key, reason });
  } else if (units < 0) {
    entries = await product.restore(tx, toPurchase(purchase), { units: -units, key, reason: 'restored' });
  }
  // All of it while it is disputed: the creator may win it back with us.
  const refundedMinor = isContested(dispute) ? purchase.amountMinor : back.refundedMinor;
  await products.sales?.setRefunded(tx, { purchaseId: purchase.id, refundedMinor, key, atMs: await nowMs(tx) });
  const change = { ...back, unitsRevoked, revision, status };
  await updatePurchase(tx, purchase.id, change);
  return { purchase: { ...purchase, ...change }, changed: true, entries };
}

const nowMs = async (tx: Tx): Promise<number> => (await databaseNow(tx)).getTime();
const isContested = (dispute: PaymentFacts['dispute']): boolean => dispute === 'open' || dispute === 'lost';

/** Whoever made what was sold earns by it, in the same transaction. */
async function tellSale(tx: Tx, products: ProductRegistry, purchase: PurchaseRow): Promise<void> {
  if (products.sales === undefined || purchase.amountMinor === 0) return;
  const creatorUserId = await products.get(purchase.type).creatorOf?.(tx, toPurchase(purchase));
  if (creatorUserId === undefined) return;
  await products.sales.recordSale(tx, {
    creatorUserId,
    purchaseId: purchase.id,
    grossMinor: purchase.amountMinor,
    currency: purchase.currency,
    soldAtMs: purchase.createdAt.getTime(),
    productType: purchase.type,
    productId: purchase.itemId,
  });
}

/** Refunds that were asked for here learn what became of them; those made at the provider are written down. */
async function noteRefunds(tx: Tx, purchase: PurchaseRow, { refunds }: PaymentFacts): Promise<void> {
  for (const { refundId, ourRefundId, amountMinor, status } of refunds) {
    if (await updateRefundByProvider(tx, refundId, status)) continue;
    const ours = ourRefundId === null ? undefined : await findRefund(tx, ourRefundId);
    if (ours !== undefined && ours.purchaseId === purchase.id) {
      await updateRefund(tx, ours.id, { status, providerRefundId: refundId, errorCode: null });
      continue;
    }
    const { id: purchaseId, userId, currency } = purchase;
    const made = { purchaseId, userId, currency, amountMinor, status, providerRefundId: refundId };
    const ofProvider = {
      origin: 'provider',
      reason: 'made at the provider',
      askedMinor: null,
      requestedBy: null,
      requestKey: null,
    } as const;
    await insertRefund(tx, { id: uuidv7(), ...made, ...ofProvider });
  }
}

/** The refund itself is a job: this transaction must not wait for the provider. */
async function refundDuplicate(tx: Tx, purchase: PurchaseRow): Promise<void> {
  if (purchase.amountMinor === 0) return;
  const { id: purchaseId, userId, currency, amountMinor } = purchase;
  await insertRefund(tx, {
    id: uuidv7(),
    purchaseId,
    userId,
    amountMinor,
    askedMinor: null,
    currency,
    origin: 'duplicate',
    reason: 'it gave nothing: bought twice, or too late',
    requestedBy: null,
    requestKey: 'duplicate',
    providerRefundId: null,
    status: 'requested',
  });
}

export function toPurchase(row: PurchaseRow): Purchase {
  const { id: purchaseId, userId, type, itemId, quantity, amountMinor, currency, units } = row;
  return { purchaseId, userId, type, itemId, quantity, amountMinor, currency, units };
}
