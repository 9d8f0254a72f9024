/** What chat needs of others, as narrow as it is; main hands in who provides it. */
import type { Tx } from '../../db/client.ts';
import type { LogPiece } from '../../db/live/live-store.ts';
import type { PromptParams } from '../../protocol/companion.ts';
import type { Peer } from '../peer.ts';

/** Live connections by user; the gateway provides it. */
export type Presence = { peersOf(userId: string): Iterable<Peer> };

/** The avatar that a conversation is held with; companion provides it. */
export type PartnerAvatar = {
  avatarId: string;
  name: string;
  lang: 'en' | 'ja';
  ownerUserId: string | null;
  private: boolean;
  deleted: boolean;
  promptVersion: number;
  systemPrompt: string;
  safetyRules: string;
  params: PromptParams;
};
export type Partners = {
  findActive(avatarId: string): Promise<PartnerAvatar | undefined>;
  /** Undefined for everybody but the owner. */
  findPromptText(
    userId: string,
    avatarId: string,
    version: number,
  ): Promise<{ systemPrompt: string; safetyRules: string } | undefined>;
};

/** Retrieval and remembering; memory provides it. */
export type RetrievedMemory = {
  memoryId: string;
  text: string;
  score: number;
  source: { conversationId?: string; messageId?: string };
};
export type MemoryAccess = {
  retrieve(query: { userId: string; avatarId: string; text: string; top: number }): Promise<RetrievedMemory[]>;
  /** In the background; never delays a turn. */
  rememberTurn(turn: { userId: string; conversationId: string; messageId: string; text: string }): void;
  /** Nothing that was said in the conversation is remembered any more. */
  forgetConversation(userId: string, conversationId: string): Promise<void>;
  /** Texts of memories that the user may read, by id; what is gone is left out. */
  findTexts(userId: string, memoryIds: readonly string[]): Promise<Map<string, string>>;
};

/** Settlement; billing provides it. */
export type Settlement = {
  generationId: string;
  userId: string;
  payeeUserId: string | null;
  conversationId: string;
  messageId: string | null;
  tokensIn: number;
  tokensOut: number;
  newConversation: boolean;
  atMs: number;
};
/** What was decided for an answer; billing knows the rest of it. */
export type Charge = { generationId: string };
export type Settled = {
  generationId: string;
  entry: { shard: number; seq: number; hash: string } | undefined;
  balance: number;
};
export type Hold = {
  generationId: string;
  userId: string;
  promptTokens: number;
  maxOutputTokens: number;
  /** Less than this is not worth asking the model. */
  minOutputTokens: number;
};
export type Billing = {
  /**
   * Sets aside what an answer may cost, in the person's transaction that writes its turn; asks its query before its first `await`.
   * A refusal is an error of that query, so that nothing of the transaction counts.
   * @returns the most that the model may write: what was wished for, or less when the tokens run out.
   * @throws AppError `billing.insufficient_tokens`, and what else keeps the tokens back.
   */
  hold(tx: Tx, hold: Hold): Promise<{ maxOutputTokens: number }>;
  /** The same before the turn is written, in a transaction of its own. @returns false when nothing is held, because not all can be. */
  holdAhead(hold: Omit<Hold, 'minOutputTokens'>): Promise<boolean>;
  /** What is held for answers that there will not be. */
  giveBack(generationIds: readonly string[]): Promise<void>;
  /** Inside the transaction that stores the messages. Idempotent for each generation. */
  settle(tx: Tx, settlements: readonly Settlement[]): Promise<Charge[]>;
  /** After its commit: resolves when the ledger has the entries. Never inside a transaction. */
  booked(charges: readonly Charge[]): Promise<Settled[]>;
  /** Of an answer that has ended: its entry; 'pending' while the ledger does not have it yet; undefined when it cost nothing. */
  findPaid(tx: Tx, generationId: string): Promise<{ shard: number; seq: number; hash: string } | 'pending' | undefined>;
  /** Resolves when nothing that the answer cost waits to be booked any more. */
  whenBooked(generationId: string): Promise<void>;
  balanceIn(tx: Tx, userId: string): Promise<number>;
};

/** Exact token counts; a worker provides it. */
export type TokenMeter = { count(model: string, texts: readonly string[]): Promise<number[]> };

/** The log of running answers; the live store provides it. */
export type TextLog = {
  appendLog(pieces: readonly LogPiece[]): Promise<{ refused: string[]; lost: string[] }>;
  readLog(generationId: string, afterSeq: number): Promise<LogPiece[]>;
  dropLog(generationIds: readonly string[], keepMs: number): Promise<void>;
};

/** Figures for operators; ops provides it. */
export type ChatMetrics = {
  firstToken(delayMs: number): void;
  tokens(tokensIn: number, tokensOut: number): void;
  finished(reason: string): void;
  logWritten(pieces: number, tookMs: number): void;
  /** The live log could not be written: text is held back until it can. */
  logFailed(): void;
  /** The live store had lost the log of an answer, which has been written again. */
  logRestored(): void;
  /** The lease of this gateway could not be renewed in time, or was lost. */
  leaseLost(): void;
  /** News of other gateways may have been missed. */
  newsMissed(): void;
  /** An answer of a dead gateway was taken over. */
  adopted(outcome: 'continued' | 'closed'): void;
  settlementFailed(outcome: 'retried' | 'given_up'): void;
};

export type ChatLog = { warn(facts: object, message: string): void; error(facts: object, message: string): void };
