/** The pace of many streams by one timer. Each task runs when it is due and says when it wants to run next. */
export type Paced = {
  /** Monotonic milliseconds. */
  dueMs: number;
  /** Moves `dueMs` on. Returns false when there is nothing more to do. */
  step(): boolean;
};

export class Pacer {
  readonly #tickMs: number;
  readonly #paced = new Set<Paced>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tickMs = 4) {
    this.#tickMs = tickMs;
  }

  add(paced: Paced): void {
    this.#paced.add(paced);
    this.#run(paced, performance.now());
    if (this.#paced.size > 0) this.#timer ??= setInterval(() => this.#tick(), this.#tickMs);
  }

  remove(paced: Paced): void {
    this.#paced.delete(paced);
    if (this.#paced.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const paced of this.#paced) this.#run(paced, nowMs);
  }

  #run(paced: Paced, nowMs: number): void {
    while (paced.dueMs <= nowMs) {
      if (paced.step()) continue;
      this.remove(paced);
      return;
    }
  }
}
