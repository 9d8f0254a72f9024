/**
 * Writes the text of all running answers into the live log, in batches, before any reader sees it. The first text of an answer
 * goes out at once, or with all others that came while two such writes are on their way; after that, pieces are rolled up. One piece
 * of an answer is on its way at a time; batches overlap.
 */
import type { Clock, Timer } from '../clock.ts';
import type { Generation } from './generation.ts';
import type { ChatLog, ChatMetrics, TextLog } from './needs.ts';

export type LogWriterEvents = {
  /** Something new may be shown, or everything has been written. */
  written(generation: Generation): void;
  /** Another gateway has taken the generation over: nothing of ours is written any more. */
  fenced(generation: Generation): void;
};

const RETRY_MS = 200;
/** Writes of first words that may be on their way before the next ones wait for each other. */
const BEGINNINGS_AT_ONCE = 2;

export class LogWriter {
  readonly #log: TextLog;
  readonly #clock: Clock;
  readonly #rollUpMs: number;
  readonly #events: LogWriterEvents;
  readonly #report: { log: ChatLog; metrics: ChatMetrics };
  /** Waiting for the roll-up. */
  #dirty = new Set<Generation>();
  /** Waiting for the end of this turn of the event loop, or for a write of first words to come back. */
  #urgent = new Set<Generation>();
  #scheduled = false;
  #timer: Timer | undefined;
  #beginningsOnTheirWay = 0;

  constructor(
    log: TextLog,
    clock: Clock,
    rollUpMs: number,
    events: LogWriterEvents,
    report: { log: ChatLog; metrics: ChatMetrics },
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#rollUpMs = rollUpMs;
    this.#events = events;
    this.#report = report;
  }

  /** Text has come or the stream has ended. `urgent` does not wait for the roll-up. */
  note(generation: Generation, urgent: boolean): void {
    if (urgent && generation.lastSeq === -1 && generation.end === undefined) {
      this.#noteBeginning(generation);
    } else if (urgent) {
      // After the reads of this turn of the event loop, so that answers that begin together are written together. The others
      // keep their roll-up: with hundreds of answers some are always urgent.
      this.#urgent.add(generation);
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        void this.#flushUrgent();
      });
    } else {
      this.#dirty.add(generation);
      this.#timer ??= this.#clock.after(this.#rollUpMs, () => this.#flushDirty());
    }
  }

  /** When whoever brought the text has brought all of it: behind the callback, before the event loop turns. */
  #noteBeginning(generation: Generation): void {
    this.#urgent.add(generation);
    if (this.#beginningsOnTheirWay >= BEGINNINGS_AT_ONCE) return;
    this.#beginningsOnTheirWay += 1;
    queueMicrotask(() => {
      void this.#flushUrgent().then(() => {
        this.#beginningsOnTheirWay -= 1;
        const [waiting] = this.#urgent;
        if (waiting !== undefined) this.#noteBeginning(waiting);
      });
    });
  }

  /**
   * Writes again what the store may have lost. While a model is silent, nothing else would notice. What is refused was taken over,
   * which the rows say as well.
   */
  async verify(generations: Iterable<Generation>): Promise<void> {
    const all = [...generations];
    const { lost } = await this.#log.appendLog(all.flatMap((generation) => generation.lastPiece ?? []));
    if (lost.length > 0) await this.#restore(all, lost);
  }

  #flushUrgent(): Promise<void> {
    const due = this.#urgent;
    this.#urgent = new Set();
    return this.#flush(due);
  }

  #flushDirty(): void {
    this.#timer = undefined;
    const due = this.#dirty;
    this.#dirty = new Set();
    void this.#flush(due);
  }

  /** Never rejects; resolves when it is written, or will be tried again. */
  async #flush(due: Iterable<Generation>): Promise<void> {
    const batch: Generation[] = [];
    for (const generation of due) {
      if (generation.takePiece() !== undefined) batch.push(generation);
      // One with a piece on its way is noted again when that has arrived.
      else if (generation.drained) this.#events.written(generation);
    }
    if (batch.length > 0) await this.#write(batch);
  }

  async #write(batch: Generation[]): Promise<void> {
    const pieces = batch.flatMap((generation) => generation.unwritten ?? []);
    const beganMs = performance.now();
    try {
      const { refused, lost } = await this.#log.appendLog(pieces);
      if (lost.length > 0) refused.push(...(await this.#restore(batch, lost)));
      this.#report.metrics.logWritten(pieces.length, performance.now() - beganMs);
      const fenced = refused.length === 0 ? undefined : new Set(refused);
      for (const generation of batch) this.#acknowledge(generation, fenced);
    } catch (error) {
      // Nobody has seen these pieces. The same ones are tried again; the log takes a piece that it has already as written.
      this.#report.metrics.logFailed();
      this.#report.log.warn({ error, pieces: pieces.length }, 'the live log cannot be written; trying again');
      this.#clock.after(RETRY_MS, () => void this.#write(batch));
    }
  }

  /** The store has lost these logs; here is all that was in them. @returns the ids of those that others have taken over */
  async #restore(generations: Iterable<Generation>, lost: readonly string[]): Promise<string[]> {
    const ids = new Set(lost);
    const outcomes = await Promise.all(
      [...generations]
        .filter((generation) => ids.has(generation.key))
        .map(async (generation) => {
          const { unwritten } = generation;
          const stored = generation.piecesAfter(-1);
          const outcome = await this.#log.appendLog(unwritten === undefined ? stored : [...stored, unwritten]);
          this.#report.metrics.logRestored();
          return outcome;
        }),
    );
    this.#report.log.warn({ generations: lost.length }, 'the live store had lost logs; they were written again');
    return outcomes.flatMap(({ refused }) => refused);
  }

  #acknowledge(generation: Generation, fenced: Set<string> | undefined): void {
    if (fenced?.has(generation.key)) {
      this.#dirty.delete(generation);
      this.#urgent.delete(generation);
      this.#events.fenced(generation);
      return;
    }
    generation.acknowledge();
    if (!generation.drained) this.note(generation, generation.end !== undefined);
    this.#events.written(generation);
  }
}
