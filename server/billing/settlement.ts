/** What a settlement is made of, before anything is written: drafts of entries, movements of balances, sums of usage. Pure. */
import type { UsageDayRow } from '../../db/billing/usage.ts';
import type { LedgerDraft } from '../../workers/tasks.ts';

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

export type Settled = {
  generationId: string;
  /** Place in the ledger; undefined for an answer without tokens, which makes no entry. */
  entry: { shard: number; seq: number; hash: string } | undefined;
  /** Tokens of the user after all settlements of this call. */
  balance: number;
};

export const ASSET = 'token';
export const settlementKey = (generationId: string) => `generation:${generationId}`;
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

/** What each account gains (positive) or pays; sums to zero. */
export function movementsOf(drafts: readonly LedgerDraft[]): Map<string, number> {
  const changes = new Map<string, number>();
  for (const { fromAccount, toAccount, tokenAmount } of drafts) {
    changes.set(fromAccount, (changes.get(fromAccount) ?? 0) - tokenAmount);
    changes.set(toAccount, (changes.get(toAccount) ?? 0) + tokenAmount);
  }
  return changes;
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
