/**
 * One answer that is being written: its text so far, its end, and a way to read it piece by piece.
 * It keeps one copy of the text; readers hold an offset into it, so that a reader that falls behind costs nothing.
 */
import type { FinishReason, LedgerRef, Usage } from '../chat.ts';
import { TsumugiError } from './error.ts';
import { type Applied, GrowingText, type Piece, type TextState } from './growing-text.ts';

export type Done = {
  /** Null when nothing was written. */
  messageId: string | null;
  text: string;
  /** `interrupted` also when the answer ended while this client was away and left no message on the selected branch. */
  finishReason: FinishReason;
  /** Null when the answer ended while this client was away and its usage is not on the message. */
  usage: Usage | null;
  /** Null when the answer ended while this client was away. */
  ledger: LedgerRef | null;
  /** Why, when `finishReason` is `error`. */
  error?: TsumugiError;
};

export type GenerationIds = Readonly<{ generationId: string; messageId: string; parentId: string }>;

export class Generation implements AsyncIterable<string> {
  readonly generationId: string;
  /** Id that the message of this answer will have. */
  readonly messageId: string;
  /** The message of the user that is answered. */
  readonly parentId: string;
  /** Settles once. Rejects only when the end cannot be learned any more: client closed, conversation detached or deleted. */
  readonly done: Promise<Done>;
  readonly #text: GrowingText;
  readonly #stop: (generationId: string) => Promise<boolean>;
  readonly #readers = new Set<() => void>();
  #settle: (outcome: Done | TsumugiError) => void = () => {};
  #outcome: Done | TsumugiError | undefined;

  constructor(ids: GenerationIds, state: TextState, stop: (generationId: string) => Promise<boolean>) {
    this.generationId = ids.generationId;
    this.messageId = ids.messageId;
    this.parentId = ids.parentId;
    this.#text = new GrowingText(state);
    this.#stop = stop;
    this.done = new Promise<Done>((resolve, reject) => {
      this.#settle = (outcome) => (outcome instanceof TsumugiError ? reject(outcome) : resolve(outcome));
    });
    // Whoever only reads the pieces must not be brought down by a promise that nobody looks at.
    this.done.catch(() => {});
  }

  /** The whole text so far. */
  get text(): string {
    return this.#text.text;
  }

  get ended(): boolean {
    return this.#outcome !== undefined;
  }

  /** The end, once there is one. */
  get result(): Done | undefined {
    return this.#outcome instanceof TsumugiError ? undefined : this.#outcome;
  }

  /** Stops it on the server; what was written is kept. Idempotent. @returns false when it had ended before. */
  stop(): Promise<boolean> {
    return this.#stop(this.generationId);
  }

  /**
   * The text from its beginning, in pieces as they arrive; several readers may read at their own pace. A character is
   * never cut in two. Throws when the answer ended with an error; leaving the loop does not stop the answer.
   * @example for await (const piece of await conversation.send('Good morning')) process.stdout.write(piece);
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let read = 0;
    for (;;) {
      const text = this.#text.text;
      const end = this.ended ? text.length : wholeCharacters(text);
      if (end > read) {
        const piece = text.slice(read, end);
        read = end;
        yield piece;
      } else if (this.#outcome !== undefined) {
        if (this.#outcome instanceof TsumugiError) throw this.#outcome;
        if (this.#outcome.error !== undefined) throw this.#outcome.error;
        return;
      } else {
        await new Promise<void>((wake) => this.#readers.add(wake));
      }
    }
  }

  // What follows is for the conversation that the answer belongs to.

  /** Where to resume. */
  get cursor(): { seq: number; epoch: number } {
    return this.#text.cursor;
  }

  apply(piece: Piece): Applied {
    return this.ended ? 'same' : this.#told(this.#text.apply(piece));
  }

  adopt(state: TextState): Applied {
    return this.ended ? 'same' : this.#told(this.#text.adopt(state));
  }

  /** The last word; later calls change nothing. */
  end(outcome: Done | TsumugiError): void {
    if (this.ended) return;
    if (!(outcome instanceof TsumugiError)) this.#text.settle(outcome.text);
    this.#outcome = outcome;
    this.#settle(outcome);
    this.#wakeReaders();
  }

  #told(applied: Applied): Applied {
    if (applied === 'grown') this.#wakeReaders();
    return applied;
  }

  #wakeReaders(): void {
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const wake of readers) wake();
  }
}

/** Length without a first half of a surrogate pair whose second half is still on its way. */
function wholeCharacters(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
}
