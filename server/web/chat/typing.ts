/** "Somebody types": told to the account's other devices while one writes here, and shown for a moment when one of them says so. */
import { type ReadonlySignal, signal } from '@preact/signals';

/** The server passes on one a second; less often is enough to keep the sign up. */
const tellEveryMs = 2_000;
export const shownForMs = 4_000;

type Place = { conversationId: string };
/** What it needs of the client. */
export type TypingSource = {
  request(type: 'chat.typing', body: Place): Promise<unknown>;
  on(type: 'chat.typing', listener: (body: Place) => void): () => void;
};
type Timers = { now(): number; after(ms: number, task: () => void): () => void };

const browserTimers: Timers = {
  now: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

export class TypingSigns {
  readonly #conversationId: string;
  readonly #source: () => TypingSource;
  readonly #timers: Timers;
  readonly #shown = signal(false);
  #hide: (() => void) | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(conversationId: string, source: () => TypingSource, timers: Timers = browserTimers) {
    this.#conversationId = conversationId;
    this.#source = source;
    this.#timers = timers;
  }

  /** Another device of the account writes in this conversation. */
  get elsewhere(): ReadonlySignal<boolean> {
    return this.#shown;
  }

  /** @returns ends the listening */
  follow(): () => void {
    const unfollow = this.#source().on('chat.typing', ({ conversationId }) => {
      if (conversationId !== this.#conversationId) return;
      this.#hide?.();
      this.#shown.value = true;
      this.#hide = this.#timers.after(shownForMs, () => this.clear());
    });
    return () => {
      unfollow();
      this.clear();
    };
  }

  /** What was being typed has arrived, or nothing came of it. */
  clear(): void {
    this.#hide?.();
    this.#hide = undefined;
    this.#shown.value = false;
  }

  /** Something was typed here. A sign that does not arrive is not worth a word. */
  tell(): void {
    const nowMs = this.#timers.now();
    if (nowMs - this.#toldAtMs < tellEveryMs) return;
    this.#toldAtMs = nowMs;
    this.#source()
      .request('chat.typing', { conversationId: this.#conversationId })
      .catch(() => undefined);
  }
}
