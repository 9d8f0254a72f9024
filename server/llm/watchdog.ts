/**
 * Deadlines of many streams by one timer: moving a deadline, which happens on every token, is one assignment.
 * Fires up to `tickMs` late, never early.
 */
export type Watched = { deadlineMs: number; onDeadline(): void };

export class Watchdog {
  readonly #tickMs: number;
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** Monotonic milliseconds; what `deadlineMs` is counted in. */
  now(): number {
    return performance.now();
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs).unref();
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watched.clear();
  }

  #tick(): void {
    const nowMs = this.now();
    for (const watched of this.#watched) {
      if (watched.deadlineMs <= nowMs) watched.onDeadline();
    }
  }
}
