/**
 * Enters every call of the operators' interface, the refused ones too. Owns the bound on entries by strangers: an address
 * that anybody can call must not fill the disk.
 */
import type { Database } from '../../db/client.ts';
import { type AdminEventRow, insertAdminEvent } from '../../db/ops/admin-events.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Clock } from '../clock.ts';

/** Refusals of strangers that get an entry of their own, a minute; the rest is counted in the next one. */
const STRANGERS_PER_MINUTE = 30;
const MINUTE_MS = 60_000;

export type JournalEntry = Pick<AdminEventRow, 'adminUserId' | 'action' | 'target' | 'outcome' | 'network' | 'payload'>;

export class AdminJournal {
  readonly #db: Database;
  readonly #clock: Clock;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  #inWindow = 0;
  #leftOut = 0;

  constructor(db: Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  async enter(entry: JournalEntry): Promise<void> {
    const atMs = this.#clock.now();
    if (entry.outcome === 'refused' && !this.#mayEnter(atMs)) {
      this.#leftOut++;
      return;
    }
    const payload = this.#leftOut === 0 ? entry.payload : { ...entry.payload, leftOut: this.#leftOut };
    this.#leftOut = 0;
    await this.#db.asService((tx) => insertAdminEvent(tx, { ...entry, id: uuidv7(atMs), atMs, payload }));
  }

  #mayEnter(nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= MINUTE_MS) {
      this.#windowStartMs = nowMs;
      this.#inWindow = 0;
    }
    return ++this.#inWindow <= STRANGERS_PER_MINUTE;
  }
}
