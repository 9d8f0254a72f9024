/** What the ledger is asked to book, and what it answers. The lists here are closed: the tables check them as well. */
import type { LedgerDraft } from '../../../workers/tasks.ts';

/** `token`: granted, its spending counts against the monthly cap. `addon_token`: bought, never capped, never expires. */
export type Asset = 'token' | 'addon_token';

export const purposes = [
  'generation',
  'sign_up_grant',
  'plan_grant',
  'addon_purchase',
  'ticket_purchase',
  'pack_purchase',
  'prompt_purchase',
  'adjustment',
  'clawback',
  'reversal',
  'payout_conversion',
] as const;
export type Purpose = (typeof purposes)[number];

/** A positive amount of one asset from one account to another. */
export type Movement = {
  fromAccount: string;
  toAccount: string;
  asset: Asset;
  /** Whole, above 0. */
  tokenAmount: number;
  /** Millionths of a minor unit of currency for one token. */
  unitPriceMicro?: number;
  purpose: Purpose;
  /** One entry for each key, for ever. Never contains personal data. */
  idempotencyKey: string;
  /** The entry that this one takes back. */
  reversesId?: string;
  conversationId?: string;
  messageId?: string;
  generationId?: string;
  /** Of a correction: when what it takes back was spent. What is spent now needs no saying. */
  spentAt?: Date;
  /** Whose cap it counts against as well. */
  organizationId?: string;
  /** The hold that is closed when this is booked. */
  holdId?: string;
};

/** An entry that is decided: pending, or booked before under the same key. */
export type PendingRef = {
  readonly idempotencyKey: string;
  readonly entryId: string;
  readonly shard: number;
  readonly fromAccount: string;
  readonly asset: Asset;
  /** Its place, where it stood in the ledger already. */
  readonly booked: LedgerPlace | undefined;
  /** What is to be hashed, where this call has made it. */
  readonly draft: LedgerDraft | undefined;
};

export type LedgerPlace = { shard: number; seq: number; hash: string };

/** An entry of a chain. */
export type Booked = LedgerPlace & { idempotencyKey: string; entryId: string };

/** The ledger refuses what can never be booked; whoever enqueued it is told, and nothing else waits for it. */
export class EntryRefused extends Error {
  override readonly name = 'EntryRefused';
}
