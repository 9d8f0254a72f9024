/**
 * Remembers in the background: a bounded queue, worked off in batches, one at a time. When the workers, the provider or the
 * database cannot do it now, it tries again later; what does not fit into the queue is not remembered, and counted.
 */
import type { Clock } from '../clock.ts';

export type QueueLog = { warn(facts: object, message: string): void };
export type QueueOptions = {
  maxQueued: number;
  batch: number;
  /** How long a batch waits for more to come: under load a fraction of the transactions does the same work. */
  gatherMs: number;
  retryMs: number;
  maxTries: number;
};

export class RememberQueue<Item> {
  readonly #store: (items: Item[]) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: QueueLog;
  readonly #options: QueueOptions;
  #waiting: Item[] = [];
  #working: Promise<void> | undefined;
  #lost = 0;
  #closed = false;
  /** Ends a pause between two tries. */
  #wake: (() => void) | undefined;
  /** Somebody waits for the end, so nothing is gathered. */
  #hurried = 0;
  #endGathering: (() => void) | undefined;

  constructor(store: (items: Item[]) => Promise<void>, clock: Clock, log: QueueLog, options: QueueOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Items that were never remembered. */
  get lost(): number {
    return this.#lost;
  }

  add(item: Item): void {
    if (this.#closed || this.#waiting.length >= this.#options.maxQueued) {
      this.#lose(1, 'the queue is full');
      return;
    }
    this.#waiting.push(item);
    this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    this.#hurried++;
    this.#endGathering?.();
    while (this.#working !== undefined) await this.#working;
    this.#hurried--;
  }

  /** Takes nothing more, tries what it has once. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.idle();
  }

  async #work(): Promise<void> {
    // One turn of the event loop later, so that what comes together is embedded and stored together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < this.#options.batch) await this.#gather();
      await this.#storeBatch(this.#waiting.splice(0, this.#options.batch));
    }
    this.#working = undefined;
  }

  async #gather(): Promise<void> {
    if (this.#hurried > 0 || this.#closed || this.#options.gatherMs === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(this.#options.gatherMs, resolve);
      this.#endGathering = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#endGathering = undefined;
  }

  async #storeBatch(items: Item[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#store(items);
        return;
      } catch (error) {
        if (this.#closed || tries >= this.#options.maxTries) {
          this.#lose(items.length, 'they could not be stored', error);
          return;
        }
        await this.#pause(this.#options.retryMs * tries);
      }
    }
  }

  async #pause(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(pauseMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #lose(count: number, why: string, error?: unknown): void {
    this.#lost += count;
    this.#log.warn(
      { count, lost: this.#lost, ...(error === undefined ? {} : { error }) },
      `texts are not remembered: ${why}`,
    );
  }
}
