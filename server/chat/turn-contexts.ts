/**
 * What a conversation's next turn begins from, kept for conversations that were talked in on this gateway: a warm turn reads
 * nothing. Never the truth: the write compares the revision, and whoever was wrong reads again. Bounded in number, text and time.
 */
import type { TurnRow } from '../../db/chat/rows.ts';
import type { Clock } from '../clock.ts';
import type { Generation } from './generation.ts';
import type { DoneBody } from './settler.ts';

/** `turns`: newest first from the head, as `recentTurns` gives them. Messages never change, so only the head can be outdated. */
export type TurnContext = Readonly<{
  conversationId: string;
  userId: string;
  avatarId: string;
  lang: 'en' | 'ja';
  revision: number;
  headMessageId: string | null;
  turns: readonly TurnRow[];
  /** Tokens of the person when the last answer was paid, where that is known. */
  balance?: number | undefined;
}>;

export type ContextLimits = {
  /** Most tokens of turns that a prompt has use for, and most turns. */
  historyTokens: number;
  maxTurns: number;
  maxConversations: number;
  maxUnits: number;
  /** Texts of people stay no longer than this without a turn. */
  keepMs: number;
};
type Kept = { context: TurnContext; units: number; atMs: number };

export const defaultContextLimits = { maxConversations: 5_000, maxUnits: 16_000_000, keepMs: 15 * 60_000 };
/** What a context takes besides its texts, in UTF-16 units. */
const CONTEXT_UNITS = 400;
const TURN_UNITS = 100;

export class TurnContexts {
  readonly #limits: ContextLimits;
  readonly #clock: Clock;
  /** In the order of use. */
  readonly #kept = new Map<string, Kept>();
  /** Where answers that are being written leave their conversations. */
  readonly #begun = new WeakMap<Generation, TurnContext>();
  #units = 0;

  constructor(limits: ContextLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** UTF-16 units of text and what surrounds it. */
  get units(): number {
    return this.#units;
  }

  /** Undefined when it is not known, or not this user's. */
  find(conversationId: string, userId: string): TurnContext | undefined {
    const kept = this.#kept.get(conversationId);
    if (kept === undefined || kept.context.userId !== userId) return undefined;
    if (this.#clock.now() - kept.atMs > this.#limits.keepMs) {
      this.forget(conversationId);
      return undefined;
    }
    return kept.context;
  }

  /** As row level security has shown it to `context.userId`. */
  note(context: TurnContext): void {
    this.forget(context.conversationId);
    const units = context.turns.reduce((sum, turn) => sum + turn.text.length + TURN_UNITS, CONTEXT_UNITS);
    this.#kept.set(context.conversationId, { context, units, atMs: this.#clock.now() });
    this.#units += units;
    this.#trim();
  }

  /** It has changed, or is gone. */
  forget(conversationId: string): void {
    const kept = this.#kept.get(conversationId);
    if (kept === undefined) return;
    this.#kept.delete(conversationId);
    this.#units -= kept.units;
  }

  /** A turn was committed. Its conversation is known again when the answer has ended. `context.turns` begin with the question. */
  begun(generation: Generation, context: TurnContext): void {
    this.forget(context.conversationId);
    this.#begun.set(generation, context);
  }

  /** The answer is stored. Nothing is noted when anything else has happened in the conversation meanwhile. */
  ended(generation: Generation, done: DoneBody, balance?: number): void {
    const context = this.#begun.get(generation);
    this.#begun.delete(generation);
    if (context === undefined || done.revision !== context.revision + 1) return;
    const { messageId, revision } = done;
    const answer: TurnRow[] =
      messageId === null
        ? []
        : [{ id: messageId, role: 'ai', text: generation.text, tokenCount: done.usage.tokensOut }];
    this.note({
      ...context,
      revision,
      headMessageId: messageId ?? context.headMessageId,
      turns: this.#within([...answer, ...context.turns]),
      balance: balance ?? context.balance,
    });
  }

  /** The same that a fresh reading would give. */
  #within(turns: readonly TurnRow[]): TurnRow[] {
    const { historyTokens, maxTurns } = this.#limits;
    let tokens = 0;
    let count = 0;
    for (const turn of turns) {
      tokens += turn.tokenCount;
      if (count > 0 && (tokens > historyTokens || count >= maxTurns)) break;
      count += 1;
    }
    return turns.slice(0, count);
  }

  #trim(): void {
    const { maxConversations, maxUnits, keepMs } = this.#limits;
    const oldestMs = this.#clock.now() - keepMs;
    for (const [conversationId, { atMs }] of this.#kept) {
      if (this.#kept.size <= maxConversations && this.#units <= maxUnits && atMs >= oldestMs) break;
      this.forget(conversationId);
    }
  }
}
