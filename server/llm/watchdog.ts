/**
 * Deadlines of many streams by one timer: moving a deadline, which happens on every token, is one assignment.
 * Fires up to `tickMs` late, never early.
 */
export type Watched = { deadlineMs: number; onDeadline(): void };

export class Watchdog {
  readonly #tickMs: number;
  readonly #watched = new Set<Watched>();
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Immediate | undefined;

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
    clearImmediate(this.#look);
    this.#look = undefined;
    this.#watched.clear();
  }

  /** Behind what waits in the sockets: a process that did not run for a while has heard nothing, which is nobody's silence but its own. */
  #tick(): void {
    this.#look ??= setImmediate(() => this.#judge());
  }

  #judge(): void {
    this.#look = undefined;
    const nowMs = this.now();
    for (const watched of this.#watched) {
      if (watched.deadlineMs <= nowMs) watched.onDeadline();
    }
  }
}
