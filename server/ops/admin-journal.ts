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

  /**
   * @param begunId what `enter` gave for the same call before it was carried out.
   * @returns the id of the entry; undefined for a stranger's that is only counted.
   */
  async enter(entry: JournalEntry, begunId?: string): Promise<string | undefined> {
    const atMs = this.#clock.now();
    if (entry.outcome === 'refused' && !this.#mayEnter(atMs)) {
      this.#leftOut++;
      return undefined;
    }
    const { payload, outcome } = entry;
    // Not with a beginning, which nobody sees once its end is known.
    const leftOut = outcome === 'begun' ? 0 : this.#leftOut;
    this.#leftOut -= leftOut;
    const id = uuidv7(atMs);
    await this.#db.asService((tx) =>
      insertAdminEvent(
        tx,
        { ...entry, id, atMs, payload: leftOut === 0 ? payload : { ...payload, leftOut } },
        begunId ?? null,
      ),
    );
    return id;
  }

  #mayEnter(nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= MINUTE_MS) {
      this.#windowStartMs = nowMs;
      this.#inWindow = 0;
    }
    return ++this.#inWindow <= STRANGERS_PER_MINUTE;
  }
}
