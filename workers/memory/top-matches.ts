/** Keeps the best `limit` matches of a stream of scores: a heap with the worst on top. Equal scores: the earlier place wins. */
import type { Match } from '../tasks.ts';

export class TopMatches {
  readonly #limit: number;
  readonly #heap: Match[] = [];
  /** A score must be at least this to be kept at all; rises when the heap is full. */
  #floor: number;

  constructor(limit: number, minScore: number) {
    this.#limit = limit;
    this.#floor = minScore;
  }

  /** Scores below are refused: lets the caller's loop skip the call. */
  get floor(): number {
    return this.#floor;
  }

  offer(namespace: number, row: number, score: number): void {
    // NaN fails the comparison too.
    if (!(score >= this.#floor) || this.#limit <= 0) return;
    const match = { namespace, row, score };
    if (this.#heap.length < this.#limit) {
      this.#heap.push(match);
      this.#rise(this.#heap.length - 1);
    } else {
      const worst = this.#heap[0];
      if (worst === undefined || !isBetter(match, worst)) return;
      this.#heap[0] = match;
      this.#sink();
    }
    const worst = this.#heap[0];
    if (this.#heap.length === this.#limit && worst !== undefined) this.#floor = worst.score;
  }

  /** Best first. */
  sorted(): Match[] {
    return this.#heap.toSorted((a, b) => (isBetter(a, b) ? -1 : 1));
  }

  #rise(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isWorse(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let worst = at;
      if (left < this.#heap.length && this.#isWorse(left, worst)) worst = left;
      if (left + 1 < this.#heap.length && this.#isWorse(left + 1, worst)) worst = left + 1;
      if (worst === at) return;
      this.#swap(at, worst);
      at = worst;
    }
  }

  #isWorse(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    return first !== undefined && second !== undefined && isBetter(second, first);
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first === undefined || second === undefined) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}

/** A total order, so that the same search always gives the same list. */
export function isBetter(a: Match, b: Match): boolean {
  if (a.score !== b.score) return a.score > b.score;
  return a.namespace !== b.namespace ? a.namespace < b.namespace : a.row < b.row;
}
