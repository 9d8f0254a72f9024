/**
 * What creators earn by sales, and lose again by refunds. Whoever sells calls this inside the transaction that grants or revokes;
 * every event is counted once, however often it is told. The share is the one of the moment of the sale.
 */

import * as rows from '../../../db/billing/payouts/earnings.ts';
import { findShareBps } from '../../../db/billing/payouts/shares.ts';
import type { Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Clock } from '../../clock.ts';
import type { CreatorDirectory } from './needs.ts';
import { currencyCode, holdingMs, type PayoutPolicy } from './policy.ts';
import { splitChange, splitGross } from './share.ts';

export type Sale = {
  /** The user who gets the creator's part; becomes a creator by it. */
  creatorUserId: string;
  purchaseId: string;
  /** > 0: what the buyer paid, in the smallest unit. What was free is not told. */
  grossMinor: number;
  currency: string;
  soldAtMs: number;
  /** What was sold, for the statement: never a person. */
  productType?: string;
  productId?: string;
};
export type Refund = {
  purchaseId: string;
  /** Of the refund or the dispute: counted once. */
  refundId: string;
  /** > 0. More than is left of the sale counts as what is left. */
  grossMinor: number;
  refundedAtMs: number;
};

/** How much of a purchase is refunded now, all in all; zero when all of it came back to the seller. */
export type RefundState = {
  purchaseId: string;
  refundedMinor: number;
  /** Of this change of it: counted once. */
  key: string;
  atMs: number;
};

/** What sellers need of this. A seller tells either single refunds or the state of the purchase, not both. */
export interface SaleFeed {
  /** @returns false when this purchase was counted before. @throws Error when it was counted as another sale. */
  recordSale(tx: Tx, sale: Sale): Promise<boolean>;
  /** @returns what the creator loses by it; undefined when no creator has earned by this purchase. */
  recordRefund(tx: Tx, refund: Refund): Promise<{ clawbackMinor: number } | undefined>;
  /** @returns what changes for the creator; undefined when no creator has earned by this purchase. */
  setRefunded(tx: Tx, state: RefundState): Promise<{ changeMinor: number } | undefined>;
  /** The refund failed or the dispute was won. @returns false when no such refund counts. */
  undoRefund(tx: Tx, undone: { purchaseId: string; refundId: string; atMs: number }): Promise<boolean>;
}

type Parts = { creators: CreatorDirectory; policy: PayoutPolicy; clock: Clock };

export class CreatorEarnings implements SaleFeed {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async recordSale(tx: Tx, sale: Sale): Promise<boolean> {
    checkAmount(sale.grossMinor);
    const { creators, policy } = this.#parts;
    await rows.lockSource(tx, 'purchase', sale.purchaseId);
    const { creatorId } = await creators.ensure(tx, sale.creatorUserId);
    const currency = currencyCode(sale.currency);
    const [before] = await rows.selectPurchaseEarnings(tx, sale.purchaseId);
    if (before !== undefined) {
      const same = before.creatorId === creatorId && before.grossMinor === sale.grossMinor;
      if (!same || before.currency !== currency)
        throw new Error('A purchase was counted for its creator before, as another sale.');
      return false;
    }
    const shareBps = (await findShareBps(tx, creatorId, sale.soldAtMs)) ?? policy.shareBps;
    return rows.insertEarning(tx, {
      ...this.#blank(creatorId, sale.soldAtMs),
      kind: 'sale',
      sourceKey: `sale:${sale.purchaseId}`,
      purchaseId: sale.purchaseId,
      productType: sale.productType ?? null,
      productId: sale.productId ?? null,
      currency,
      grossMinor: sale.grossMinor,
      shareBps,
      ...splitGross(sale.grossMinor, shareBps),
      availableAtMs: sale.soldAtMs + holdingMs(policy),
    });
  }

  async recordRefund(tx: Tx, refund: Refund): Promise<{ clawbackMinor: number } | undefined> {
    checkAmount(refund.grossMinor);
    await rows.lockSource(tx, 'purchase', refund.purchaseId);
    const history = await rows.selectPurchaseEarnings(tx, refund.purchaseId);
    const [sale] = history;
    if (sale === undefined) return undefined;
    const sourceKey = `refund:${refund.refundId}`;
    const known = history.find((row) => row.sourceKey === sourceKey);
    if (known !== undefined) return { clawbackMinor: -known.creatorMinor };
    const left = leftOf(history);
    const after = Math.max(0, left - refund.grossMinor);
    // Refunded to the end before, by a refund and a dispute of the same money: there is nothing left to take back.
    if (after === left) return { clawbackMinor: 0 };
    const change = splitChange(left, after, sale.shareBps);
    await rows.insertEarning(tx, {
      ...this.#follow(sale, refund.refundedAtMs),
      kind: 'refund',
      sourceKey,
      grossMinor: after - left,
      ...change,
    });
    return { clawbackMinor: -change.creatorMinor };
  }

  async setRefunded(tx: Tx, state: RefundState): Promise<{ changeMinor: number } | undefined> {
    const { purchaseId, refundedMinor, key, atMs } = state;
    if (!Number.isSafeInteger(refundedMinor) || refundedMinor < 0)
      throw new Error('A refund is not a whole number of at least zero.');
    await rows.lockSource(tx, 'purchase', purchaseId);
    const history = await rows.selectPurchaseEarnings(tx, purchaseId);
    const [sale] = history;
    if (sale === undefined) return undefined;
    const left = leftOf(history);
    const after = Math.max(0, sale.grossMinor - refundedMinor);
    if (after === left) return { changeMinor: 0 };
    const change = splitChange(left, after, sale.shareBps);
    const isNew = await rows.insertEarning(tx, {
      ...this.#follow(sale, atMs),
      kind: after < left ? 'refund' : 'refund_undone',
      sourceKey: `refund_state:${key}`,
      grossMinor: after - left,
      ...change,
    });
    return { changeMinor: isNew ? change.creatorMinor : 0 };
  }

  async undoRefund(tx: Tx, undone: { purchaseId: string; refundId: string; atMs: number }): Promise<boolean> {
    await rows.lockSource(tx, 'purchase', undone.purchaseId);
    const history = await rows.selectPurchaseEarnings(tx, undone.purchaseId);
    const [sale] = history;
    const refund = history.find((row) => row.sourceKey === `refund:${undone.refundId}`);
    if (sale === undefined || refund === undefined) return false;
    const left = leftOf(history);
    const after = left - refund.grossMinor;
    return rows.insertEarning(tx, {
      ...this.#follow(sale, undone.atMs),
      kind: 'refund_undone',
      sourceKey: `refund_undone:${undone.refundId}`,
      grossMinor: after - left,
      ...splitChange(left, after, sale.shareBps),
    });
  }

  #blank(creatorId: string, happenedAtMs: number) {
    return { id: uuidv7(this.#parts.clock.now()), creatorId, happenedAtMs, tokenAmount: null };
  }

  /** What a later row of a purchase has in common with its sale, the day from which it may be paid included. */
  #follow(sale: rows.EarningRow, happenedAtMs: number) {
    return { ...sale, ...this.#blank(sale.creatorId, happenedAtMs) };
  }
}

/** What is left of the gross of a purchase. */
const leftOf = (history: readonly rows.EarningRow[]): number => history.reduce((sum, row) => sum + row.grossMinor, 0);

function checkAmount(grossMinor: number): void {
  if (!Number.isSafeInteger(grossMinor) || grossMinor <= 0)
    throw new Error('An amount of money is not a whole number above zero.');
}
