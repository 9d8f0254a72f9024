/**
 * Gives money back. What was asked for stands before the provider is asked, so that it is neither lost nor done twice; what it takes
 * back of the purchase follows from the provider's state, like everything else.
 */
import { findPurchase, lockPurchase } from '../../../db/billing/purchases/purchases.ts';
import {
  findRefund,
  findRefundByRequest,
  insertRefund,
  leaseRefund,
  listDueRefunds,
  type RefundRow,
  sumRefunds,
  updateRefund,
} from '../../../db/billing/purchases/refunds.ts';
import type { Database } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AppError } from '../../errors.ts';
import { type MoneyGateway, ProviderError } from './gateway.ts';
import type { PurchaseLog } from './needs.ts';

export type RefundRequest = {
  purchaseId: string;
  /** Undefined: what is left. */
  amountMinor?: number | undefined;
  reason: string;
  requestKey: string;
  requestedBy: string;
};

type Parts = {
  db: Database;
  gateway: MoneyGateway;
  log: PurchaseLog;
  /** Looks at the payment again. */
  sync(paymentId: string): Promise<void>;
};

const LEASE_S = 120;
const AT_ONCE = 20;
const MAX_WAIT_S = 3600;

export class Refunds {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @returns the refund as it is after the provider was asked once; `requested` when it did not answer and is asked again.
   * @throws AppError `billing.purchase_not_found`, `billing.refund_too_large`, `billing.other_provider`,
   * `billing.idempotency_conflict`.
   */
  async request(request: RefundRequest): Promise<RefundRow> {
    const { db, gateway } = this.#parts;
    const askedMinor = request.amountMinor ?? null;
    const refundId = await db.asService(async (tx) => {
      const purchase = await lockPurchase(tx, request.purchaseId);
      if (purchase === undefined) throw new AppError('billing.purchase_not_found');
      // Bought through another provider (or the offline one): this one cannot give it back.
      if (purchase.provider !== gateway.provider) throw new AppError('billing.other_provider');
      const before = await findRefundByRequest(tx, purchase.id, request.requestKey);
      if (before !== undefined) {
        if (askedMinor !== before.askedMinor || request.reason !== before.reason)
          throw new AppError('billing.idempotency_conflict');
        return before.id;
      }
      const { unsentMinor, liveMinor } = await sumRefunds(tx, purchase.id);
      const left = purchase.amountMinor - Math.max(purchase.refundedMinor + unsentMinor, liveMinor);
      const amountMinor = askedMinor ?? left;
      if (amountMinor > left || left <= 0)
        throw new AppError('billing.refund_too_large', { leftMinor: Math.max(0, left) });
      const id = uuidv7();
      const { userId, currency, id: purchaseId } = purchase;
      const { reason, requestKey, requestedBy } = request;
      const by = { origin: 'operator', reason, requestKey, requestedBy } as const;
      const state = { providerRefundId: null, status: 'requested' } as const;
      await insertRefund(tx, { id, purchaseId, userId, amountMinor, askedMinor, currency, ...by, ...state });
      return id;
    });
    await this.#send(refundId);
    const refund = await db.asService((tx) => findRefund(tx, refundId));
    if (refund === undefined) throw new Error('A refund was stored and is not there.');
    return refund;
  }

  /** The job: what could not be sent, and what a purchase made twice asks for. */
  async sendDue(): Promise<void> {
    const { db, log } = this.#parts;
    for (const id of await db.asService((tx) => listDueRefunds(tx, AT_ONCE))) {
      await this.#send(id).catch((error: unknown) => log.warn({ error, refundId: id }, 'a refund could not be sent'));
    }
  }

  async #send(refundId: string): Promise<void> {
    const { db, gateway, log, sync } = this.#parts;
    const leased = await db.asService(async (tx) => {
      const refund = await leaseRefund(tx, refundId, LEASE_S);
      const purchase = refund && (await findPurchase(tx, refund.purchaseId));
      return refund && purchase && { refund, purchase };
    });
    if (leased === undefined) return;
    const { refund, purchase } = leased;
    if (purchase.provider !== gateway.provider) return;
    const { amountMinor, attempts } = refund;
    try {
      const sent = await gateway.refund({ refundId, intentId: purchase.paymentId, amountMinor });
      await db.asService((tx) => updateRefund(tx, refundId, { ...sent, errorCode: null }));
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const retryInS = Math.min(MAX_WAIT_S, 2 ** attempts);
      const status = error.retry ? 'requested' : 'failed';
      const change = { status, providerRefundId: null, errorCode: error.code, retryInS } as const;
      await db.asService((tx) => updateRefund(tx, refundId, change));
    }
    // The money is on its way whether this look succeeds or not: the provider's event brings another.
    await sync(purchase.paymentRowId).catch((error: unknown) =>
      log.warn({ error, refundId }, 'a refund is not seen yet'),
    );
  }
}
