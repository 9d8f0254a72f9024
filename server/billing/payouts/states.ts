/**
 * How a payout's state changes: always under its row's lock, always with an entry that says who and why. What was set aside for a
 * payout that will not be made is owed again, as an earning of the next month.
 */

import { insertEarning } from '../../../db/billing/payouts/earnings.ts';
import * as rows from '../../../db/billing/payouts/payouts.ts';
import type { Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AppError } from '../../errors.ts';

export type Actor =
  | { type: 'service' | 'provider' }
  | {
      type: 'admin';
      userId: string;
      /** His words, for other operators. */
      reason?: string;
    };

/** Out of which states an operator may bring a payout into one. The database refuses the rest as well. */
const from = {
  approved: ['pending', 'failed'],
  held: ['pending', 'approved', 'failed'],
  pending: ['held'],
  canceled: ['pending', 'held', 'approved', 'failed'],
} as const satisfies Partial<Record<rows.PayoutStatus, readonly rows.PayoutStatus[]>>;
export type OperatorState = keyof typeof from;

/** @throws AppError `billing.payout_not_found` */
export async function getLocked(tx: Tx, payoutId: string): Promise<rows.PayoutRow> {
  const payout = await rows.lockPayout(tx, payoutId);
  if (payout === undefined) throw new AppError('billing.payout_not_found');
  return payout;
}

/** Writes the state and its entry. The caller holds the row's lock and has checked the way. */
export async function setState(
  tx: Tx,
  payout: rows.PayoutRow,
  change: rows.StateChange & { code?: string },
  actor: Actor,
  atMs: number,
): Promise<void> {
  const { code, ...state } = change;
  await rows.updatePayoutState(tx, payout.payoutId, state);
  await rows.insertPayoutEvent(tx, {
    eventId: uuidv7(atMs),
    payoutId: payout.payoutId,
    atMs,
    fromStatus: payout.status,
    toStatus: change.status,
    actorType: actor.type,
    actorId: actor.type === 'admin' ? actor.userId : null,
    reason: (actor.type === 'admin' && actor.reason) || null,
    code: code ?? null,
  });
}

/** @throws AppError `billing.payout_not_found`, `billing.payout_state`. */
export async function moveByOperator(
  tx: Tx,
  payoutId: string,
  to: OperatorState,
  actor: Actor,
  atMs: number,
): Promise<void> {
  const payout = await getLocked(tx, payoutId);
  const allowed: readonly rows.PayoutStatus[] = from[to];
  if (!allowed.includes(payout.status)) throw new AppError('billing.payout_state', { status: payout.status });
  await setState(tx, payout, { status: to }, actor, atMs);
  // The fee as well: nothing was transferred.
  if (to === 'canceled') await oweAgain(tx, payout, payout.amountMinor + payout.feeMinor, 'canceled', atMs);
}

/**
 * The provider has taken back `reversedMinor` of a transfer in total. Less than is known is old news.
 * @returns what came back now.
 */
export async function takeBack(
  tx: Tx,
  payout: rows.PayoutRow,
  reversedMinor: number,
  actor: Actor,
  atMs: number,
): Promise<number> {
  const total = Math.min(reversedMinor, payout.amountMinor);
  const back = total - payout.reversedMinor;
  if (back <= 0) return 0;
  const status = total === payout.amountMinor ? 'reversed' : 'paid';
  await setState(tx, payout, { status, reversedMinor: total, code: 'transfer_reversed' }, actor, atMs);
  await oweAgain(tx, payout, back, String(total), atMs);
  return back;
}

async function oweAgain(tx: Tx, payout: rows.PayoutRow, minor: number, why: string, atMs: number): Promise<void> {
  await insertEarning(tx, {
    id: uuidv7(atMs),
    creatorId: payout.creatorId,
    kind: 'payout_returned',
    sourceKey: `payout_returned:${payout.payoutId}:${why}`,
    purchaseId: null,
    productType: null,
    productId: null,
    currency: payout.currency,
    grossMinor: 0,
    shareBps: 0,
    creatorMinor: minor,
    platformMinor: 0,
    tokenAmount: null,
    happenedAtMs: atMs,
    availableAtMs: atMs,
  });
}
