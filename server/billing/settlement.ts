/** What a settlement is made of, before anything is written: movements of tokens, sums of usage. Pure. */
import type { OpenHold } from '../../db/billing/holds.ts';
import type { UsageDayRow } from '../../db/billing/usage.ts';
import { getAccount, platformAccountFor } from './ledger/accounts.ts';
import type { Movement, PendingRef } from './ledger/movement.ts';

/** A finished answer that is to be paid for. */
export type Settlement = {
  generationId: string;
  /** Who talked, and pays. */
  userId: string;
  /** Owner of the avatar; null for one of the platform. Who talks with his own avatar pays the platform. */
  payeeUserId: string | null;
  conversationId: string;
  messageId: string | null;
  tokensIn: number;
  tokensOut: number;
  /** Counts the conversation in the usage of the day. */
  newConversation: boolean;
  /** Milliseconds since the epoch. */
  atMs: number;
};

/** What was decided for an answer in the transaction of its message; booked behind its commit. */
export type Charge = { generationId: string; userId: string; refs: readonly PendingRef[] };

export type Settled = {
  generationId: string;
  /** Place of its (first) entry in the ledger; undefined for an answer that nothing was charged for. */
  entry: { shard: number; seq: number; hash: string } | undefined;
  /** Tokens of the user after all settlements of this call, granted and bought together. */
  balance: number;
};

export const settlementKey = (generationId: string) => `generation:${generationId}`;
/** Of the part that was paid with bought tokens. */
export const addonKey = (generationId: string) => `${settlementKey(generationId)}:addon`;
export const tokensOf = ({ tokensIn, tokensOut }: Settlement) => tokensIn + tokensOut;

/** The users whose accounts a settlement moves tokens between; the second is undefined for the platform. */
export function partiesOf({ userId, payeeUserId }: Settlement): [payer: string, payee: string | undefined] {
  return [userId, payeeUserId === null || payeeUserId === userId ? undefined : payeeUserId];
}

/** Each generation once, and only those with tokens. */
export function billableOf(settlements: readonly Settlement[]): Settlement[] {
  const byGeneration = new Map<string, Settlement>();
  for (const settlement of settlements) {
    if (tokensOf(settlement) > 0 && !byGeneration.has(settlement.generationId)) {
      byGeneration.set(settlement.generationId, settlement);
    }
  }
  return [...byGeneration.values()];
}

/**
 * At most two movements: granted tokens first, then bought ones, never more than is held of either.
 * @param hold undefined where nothing is held (`BILLING_MODE=free`): all is granted tokens then, whatever the balance.
 */
export function chargesOf(
  settlement: Settlement,
  accounts: ReadonlyMap<string, string>,
  hold: OpenHold | undefined,
): Movement[] {
  const [payer, payee] = partiesOf(settlement);
  const fromAccount = getAccount(accounts, payer);
  const toAccount = payee === undefined ? platformAccountFor(fromAccount) : getAccount(accounts, payee);
  const used = tokensOf(settlement);
  const tokens = hold === undefined ? used : Math.min(used, hold.tokens);
  const addonTokens = hold === undefined ? 0 : Math.min(used - tokens, hold.addonTokens);
  const { generationId, conversationId, messageId } = settlement;
  const shared = {
    fromAccount,
    toAccount,
    purpose: 'generation',
    conversationId,
    ...(messageId === null ? {} : { messageId }),
    generationId,
  } as const;
  const movements: Movement[] = [];
  if (tokens > 0) {
    const organizationId = hold?.organizationId ?? undefined;
    movements.push({
      ...shared,
      asset: 'token',
      tokenAmount: tokens,
      idempotencyKey: settlementKey(generationId),
      ...(organizationId === undefined ? {} : { organizationId }),
    });
  }
  if (addonTokens > 0)
    movements.push({
      ...shared,
      asset: 'addon_token',
      tokenAmount: addonTokens,
      idempotencyKey: addonKey(generationId),
    });
  // The last one closes the hold: until then nobody can spend what the others are about to take.
  return movements.map((movement, index) =>
    hold !== undefined && index === movements.length - 1 ? { ...movement, holdId: generationId } : movement,
  );
}

/** One row a user and day in UTC. */
export function usageOf(settlements: readonly Settlement[]): UsageDayRow[] {
  const rows = new Map<string, UsageDayRow>();
  for (const { userId, atMs, tokensIn, tokensOut, newConversation } of settlements) {
    const day = utcDay(atMs);
    const row = rows.get(`${userId} ${day}`) ?? { userId, day, tokensIn: 0, tokensOut: 0, conversations: 0 };
    row.tokensIn += tokensIn;
    row.tokensOut += tokensOut;
    row.conversations += newConversation ? 1 : 0;
    rows.set(`${userId} ${day}`, row);
  }
  return [...rows.values()];
}

/** `YYYY-MM-DD`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
