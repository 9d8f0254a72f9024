/** Time as the rules see it. Injected, so that tests move it instead of waiting. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since some moment. What is measured by it stays true when the clock is set. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`; the handle cancels it. A pending timer keeps no process alive. */
  after(delayMs: number, task: () => void): Timer;
}
export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #nowMs: number;
  #nextId = 0;
  readonly #timers = new Map<number, { atMs: number; task: () => void }>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const id = this.#nextId++;
    this.#timers.set(id, { atMs: this.#nowMs + delayMs, task });
    return { cancel: () => void this.#timers.delete(id) };
  }

  /** Moves on and runs what falls due, in order of time. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      let dueId: number | undefined;
      let due: { atMs: number; task: () => void } | undefined;
      for (const [id, timer] of this.#timers) {
        if (timer.atMs <= untilMs && (due === undefined || timer.atMs < due.atMs)) [dueId, due] = [id, timer];
      }
      if (dueId === undefined || due === undefined) break;
      this.#timers.delete(dueId);
      this.#nowMs = due.atMs;
      due.task();
    }
    this.#nowMs = untilMs;
  }
}
