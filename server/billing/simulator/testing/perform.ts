/** Does an action to the real code, through one gateway, and says what whoever asked was told. */

import { findPayment, insertPayment, issueSync } from '../../../../db/billing/purchases/payments.ts';
import { changeOrganizationAllowance } from '../../../../db/billing/spending.ts';
import type { Tx } from '../../../../db/client.ts';
import { isAppError } from '../../../errors.ts';
import type { PendingRef } from '../../ledger/movement.ts';
import { applyPayment } from '../../purchases/settle.ts';
import type { Reversal } from '../../reversals/admin-shapes.ts';
import type { Action, Answered, Told } from './action.ts';
import type { Gateway } from './gateway.ts';
import type { Outside } from './outside.ts';

/** @throws whatever is no refusal. */
export async function perform(gateway: Gateway, outside: Outside, action: Action): Promise<Told> {
  try {
    return await act(gateway, outside, action);
  } catch (error) {
    if (isAppError(error)) return { outcome: { refused: error.code } };
    if (error instanceof Error && 'code' in error && error.code === '23505')
      return { outcome: { refused: error.code } };
    throw error;
  }
}

const nothing: Told = { outcome: undefined };

async function act(gateway: Gateway, outside: Outside, action: Action): Promise<Told> {
  const { billing, db, reversals } = gateway;
  switch (action.do) {
    case 'sign up':
      await outside.openAccount(action.userId, action.account);
      return signUp(gateway, action.userId, action.waits);
    case 'sign up again':
      return signUp(gateway, action.userId, true);
    case 'grant': {
      const { userId, tokens, key, waits } = action;
      const refs = await db.asService((tx) => grant(gateway, tx, userId, tokens, 'plan_grant', key));
      if (waits) await billing.ledger.settled(refs);
      return nothing;
    }
    case 'set allowance':
      await db.asService((tx) => billing.setAllowance(tx, action.userId, action.change));
      return nothing;
    case 'begin month': {
      const periodAnchor = await outside.newMoment();
      await db.asService((tx) => billing.setAllowance(tx, action.userId, { periodAnchor }));
      return nothing;
    }
    case 'set organisation':
      await db.asService((tx) =>
        changeOrganizationAllowance(tx, action.organizationId, { capTokens: action.capTokens }),
      );
      return nothing;
    case 'end month':
      await outside.endMonth(action.userId);
      return nothing;
    case 'end month of organisation':
      await outside.endMonthOfOrganization(action.organizationId);
      return nothing;
    case 'hold': {
      const { do: _, ...wish } = action;
      return { outcome: await db.asUser(wish.userId, (tx) => billing.hold(tx, wish)) };
    }
    case 'hold ahead': {
      const { do: _, ...wish } = action;
      return { outcome: await billing.holdAhead(wish) };
    }
    case 'give back':
      await billing.giveBack(action.generationIds);
      return nothing;
    case 'settle':
      return settle(gateway, action.answers, action.waits);
    case 'let expire':
      await outside.letExpire(action.generationIds);
      return nothing;
    case 'extend':
      await billing.extendHolds(action.generationIds);
      return nothing;
    case 'release expired':
      return { outcome: await billing.releaseExpiredHolds() };
    case 'begin payment':
      await db.asService((tx) => insertPayment(tx, newPayment(action)));
      return nothing;
    case 'see payment':
      return seePayment(gateway, action);
    case 'ask reversal': {
      const { operatorId, entry, requestKey, reason } = action;
      const key = requestKey === null ? {} : { requestKey };
      const wish = { entryId: await outside.entryId(entry), reasonCode: 'other', reason, ...key } as const;
      return toTold(await reversals.request(operatorId, wish));
    }
    case 'approve reversal':
      return toTold(await reversals.approve(action.operatorId, action.reversalId));
    case 'decline reversal':
      return toTold(await reversals.decline(action.operatorId, action.reversalId));
    case 'ask once':
      return askOnce(gateway, action);
  }
}

async function signUp({ db, billing }: Gateway, userId: string, waits: boolean): Promise<Told> {
  const refs = await db.asService((tx) => billing.grantSignUp(tx, userId));
  if (waits) await billing.ledger.settled(refs);
  return nothing;
}

async function grant(
  { billing: { ledger } }: Gateway,
  tx: Tx,
  userId: string,
  tokenAmount: number,
  purpose: 'plan_grant' | 'adjustment',
  idempotencyKey: string,
): Promise<PendingRef[]> {
  const toAccount = await ledger.accountOf(tx, userId);
  const fromAccount = ledger.platformAccountFor(toAccount);
  return ledger.enqueue(tx, [{ fromAccount, toAccount, asset: 'token', tokenAmount, purpose, idempotencyKey }]);
}

async function settle({ db, billing }: Gateway, answers: readonly Answered[], waits: boolean): Promise<Told> {
  const settlements = answers.map((answer) => ({
    ...answer,
    conversationId: answer.generationId,
    messageId: null,
    atMs: Date.now(),
  }));
  const charges = await db.asService(async (tx) => {
    // Chat ends the generation's row first, in this transaction: two that settle the same one come one after the other.
    for (const { generationId } of settlements.toSorted((a, b) => (a.generationId < b.generationId ? -1 : 1)))
      await tx.sql`select pg_advisory_xact_lock(hashtextextended(${generationId}, 0))`;
    return billing.settle(tx, settlements);
  });
  if (waits) await billing.booked(charges);
  return { outcome: charges.map(({ refs }) => refs.map(({ idempotencyKey }) => idempotencyKey)) };
}

function newPayment({ paymentId: id, userId, units, amountMinor: amount }: Extract<Action, { do: 'begin payment' }>) {
  const product = {
    productType: 'addon_tokens',
    productId: 'tokens_100k',
    quantity: 1,
    units,
    amount,
    currency: 'jpy',
  };
  const unknown = { requestKey: null, requestDigest: null, invoiceId: null, subscriptionId: null };
  return { id, userId, provider: 'stripe_offline', mode: 'payment', ...product, ...unknown } as const;
}

async function seePayment(
  { db, billing, products }: Gateway,
  { paymentId, sync, refundedMinor, dispute, waits }: Extract<Action, { do: 'see payment' }>,
): Promise<Told> {
  const payment = await db.asService(async (tx) => {
    const found = await findPayment(tx, paymentId);
    if (found === undefined || found.syncIssued >= sync) return found;
    for (let issued = found.syncIssued; issued < sync; issued++) await issueSync(tx, paymentId);
    return found;
  });
  const ids = { sessionId: null, intentId: `pi_${paymentId}`, invoiceId: null, subscriptionId: null };
  const paid = { status: 'succeeded', amountMinor: payment?.amount ?? 0, currency: 'jpy', refunds: [] } as const;
  const facts = { ...ids, ...paid, refundedMinor, dispute };
  const applied = await db.asService((tx) => applyPayment(tx, products, paymentId, sync, facts));
  if (applied === undefined) return { outcome: 'late' };
  if (waits) await billing.ledger.settled(applied.entries);
  const { purchase } = applied;
  return { outcome: { unitsRevoked: purchase?.unitsRevoked }, ...(purchase === undefined ? {} : { id: purchase.id }) };
}

async function askOnce(
  gateway: Gateway,
  { userId, key, tokens, waits }: Extract<Action, { do: 'ask once' }>,
): Promise<Told> {
  let refs: PendingRef[] = [];
  const { billing } = gateway;
  const outcome = await billing.once.inTransaction(
    { userId, command: 'simulator.grant', key, request: { tokens } },
    async (tx) => {
      const account = await billing.ledger.accountOf(tx, userId);
      refs = await grant(gateway, tx, userId, tokens, 'adjustment', `once:${account}:${key}`);
      return { tokens };
    },
  );
  if (waits) await billing.ledger.settled(refs);
  return { outcome };
}

const toTold = ({ reversalId, state, needsSecond }: Reversal): Told => ({
  outcome: { id: reversalId, state, needsSecond },
  id: reversalId,
});
