/**
 * The vectors of one owner in shared memory, with what they stand for. Workers read rows while this thread appends: a row is
 * written before `view()` counts it, and growing makes a new buffer, so a search that has begun never sees a change.
 */
import type { StoredVector } from '../../db/memory/embeddings.ts';
import type { SharedVectors } from '../../workers/tasks.ts';

export type SpaceRow = Omit<StoredVector, 'vector' | 'place'>;
/** What a search goes over, and the rows that its matches mean, as they were at one moment. */
export type SpaceView = { vectors: SharedVectors; rows: readonly SpaceRow[] };

const FIRST_ROWS = 8;
/** What a row costs besides vector and text: its object, ids, map entries. */
const ROW_OVERHEAD = 300;
const EMPTY_OVERHEAD = 500;

export class VectorSpace {
  readonly dimensions: number;
  readonly #maxRows: number;
  #buffer = new SharedArrayBuffer(0);
  #rows: SpaceRow[] = [];
  #textBytes = 0;
  #lastPlace = 0;

  /** @param maxRows beyond it the older half is let go of; it stays in the database. */
  constructor(dimensions: number, maxRows: number) {
    this.dimensions = dimensions;
    this.#maxRows = maxRows;
  }

  get size(): number {
    return this.#rows.length;
  }

  /** High-water mark: every row up to this place has been seen. */
  get lastPlace(): number {
    return this.#lastPlace;
  }

  get bytes(): number {
    return EMPTY_OVERHEAD + this.#buffer.byteLength + this.#textBytes + this.#rows.length * ROW_OVERHEAD;
  }

  view(): SpaceView {
    const vectors = { buffer: this.#buffer, rows: this.#rows.length, dimensions: this.dimensions };
    return { vectors, rows: this.#rows };
  }

  /** Adds rows in the order of their places; those that are here already are left out. */
  append(stored: readonly StoredVector[]): void {
    const fresh = stored.filter((row) => row.place > this.#lastPlace);
    if (fresh.length === 0) return;
    if (this.#rows.length + fresh.length > this.#maxRows) this.#dropOldest(fresh.length);
    this.#reserve(this.#rows.length + fresh.length);
    const bytes = new Uint8Array(this.#buffer);
    const rowBytes = this.dimensions * 4;
    for (const { vector, place, ...row } of fresh) {
      if (vector.byteLength !== rowBytes) throw new RangeError(`Expected ${rowBytes} bytes, got ${vector.byteLength}.`);
      bytes.set(vector, this.#rows.length * rowBytes);
      this.#rows.push(row);
      this.#textBytes += row.text.length * 2;
      this.#lastPlace = place;
    }
  }

  #reserve(rows: number): void {
    const rowBytes = this.dimensions * 4;
    if (rows * rowBytes <= this.#buffer.byteLength) return;
    const grown = new SharedArrayBuffer(Math.max(FIRST_ROWS * rowBytes, this.#buffer.byteLength * 2, rows * rowBytes));
    new Uint8Array(grown).set(new Uint8Array(this.#buffer, 0, this.#rows.length * rowBytes));
    this.#buffer = grown;
  }

  #dropOldest(coming: number): void {
    const kept = Math.max(0, Math.min(this.#rows.length, Math.floor(this.#maxRows / 2), this.#maxRows - coming));
    const from = this.#rows.length - kept;
    const rowBytes = this.dimensions * 4;
    const moved = new SharedArrayBuffer(Math.max(1, kept + coming) * rowBytes);
    new Uint8Array(moved).set(new Uint8Array(this.#buffer, from * rowBytes, kept * rowBytes));
    this.#buffer = moved;
    // A new array: views that are out keep the old one, which fits their buffer.
    this.#rows = this.#rows.slice(from);
    this.#textBytes = this.#rows.reduce((sum, row) => sum + row.text.length * 2, 0);
  }
}
