/**
 * What an answer may cost at most, held while its turn is still being put together: the workers' time and the hold's pass together,
 * and the model can be asked while the turn is being committed. Only for people with far more tokens than that; what cannot be held
 * in full is not held ahead at all. Whoever dies in between leaves a hold that expires.
 */
import { wasRolledBack } from '../../db/chat/turns.ts';
import type { Billing, ChatLog, Hold } from './needs.ts';

/** So many answers at once must be payable before one of them is held for by its upper bound. */
const AMPLE = 4;

/** Whether holding more than an answer needs keeps no other answer of this person from being paid. A guess: the hold itself decides. */
export function isAmple(balance: number | undefined, tokens: number): boolean {
  return balance !== undefined && balance >= AMPLE * tokens;
}

export class HoldAhead {
  /** Of the answer that it is held for. */
  readonly generationId: string;
  readonly #tokens: number;
  readonly #held: Promise<boolean>;
  readonly #billing: Billing;
  readonly #log: ChatLog;
  /** Given to a turn, or given back. */
  #gone = false;

  /** Begins at once. @param bound prompt and longest answer, or more; nothing less than all of it is held. */
  constructor(parts: { billing: Billing; log: ChatLog }, bound: Omit<Hold, 'minOutputTokens'>) {
    this.#billing = parts.billing;
    this.#log = parts.log;
    this.generationId = bound.generationId;
    this.#tokens = bound.promptTokens + bound.maxOutputTokens;
    this.#held = this.#billing.holdAhead(bound);
    // Whoever fails before it asks for this answers with that failure.
    this.#held.catch(() => {});
  }

  /** Committed in full, or not at all. */
  isHeld(): Promise<boolean> {
    return this.#held;
  }

  async covers(tokens: number): Promise<boolean> {
    return !this.#gone && (await this.#held) && tokens <= this.#tokens;
  }

  /**
   * Writes the turn that it belongs to from now on. It is free again when the turn is certainly not written; when nobody knows,
   * the answer may exist, and whoever finds it settles with this hold. Where there is none, it expires.
   */
  async spendOn<T>(write: () => Promise<T>): Promise<T> {
    this.#gone = true;
    try {
      return await write();
    } catch (error) {
      this.#gone = !wasRolledBack(error);
      throw error;
    }
  }

  /** Nothing will be charged for it. Does nothing when it belongs to a turn. Never fails: what cannot be given back now expires. */
  async giveBack(): Promise<void> {
    if (this.#gone) return;
    this.#gone = true;
    const { generationId } = this;
    try {
      // A hold that failed may have been committed all the same.
      if (await this.#held.catch(() => true)) await this.#billing.giveBack([generationId]);
    } catch (error) {
      this.#log.warn(
        { error, generationId },
        'what was held for a turn that was not written stays held until it expires',
      );
    }
  }
}
