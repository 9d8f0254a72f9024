/**
 * Ids of entries: UUID version 7 with a counter (RFC 9562, 6.2, method 1), so that those of one gateway are in the order in which
 * they were decided, also within a millisecond. By the real clock, as the database's times are, never by an injected one.
 */
import { uuidv7 } from '../../../db/uuid.ts';

const COUNTS = 4_096;

export class EntryIds {
  #ms = 0;
  #count = 0;

  next(nowMs = Date.now()): string {
    if (nowMs > this.#ms) {
      this.#ms = nowMs;
      this.#count = 0;
    } else if (++this.#count === COUNTS) {
      this.#ms += 1;
      this.#count = 0;
    }
    const id = uuidv7(this.#ms);
    return `${id.slice(0, 15)}${this.#count.toString(16).padStart(3, '0')}${id.slice(18)}`;
  }
}
