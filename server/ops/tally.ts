/** Sums that hot paths add to and a scrape takes away: an addition, no lookup of labels in the metrics library. */

export class Tally {
  #sum = 0;

  add(amount: number): void {
    this.#sum += amount;
  }

  /** What was added since the last time. */
  take(): number {
    const sum = this.#sum;
    this.#sum = 0;
    return sum;
  }
}

/** No closed list that we have comes near; a label that turns out to be open stops growing here. */
const MAX_LABELS = 500;
const OTHER = 'other';
const SEPARATOR = '\u0000';

export class TallyByLabel {
  readonly #known = new Set<string>();
  #sums = new Map<string, number>();

  add(amount: number, ...labels: string[]): void {
    let key = labels.length === 1 ? (labels[0] ?? '') : labels.join(SEPARATOR);
    const sum = this.#sums.get(key);
    if (sum === undefined && !this.#known.has(key)) {
      if (this.#known.size >= MAX_LABELS) key = labels.map(() => OTHER).join(SEPARATOR);
      else this.#known.add(key);
    }
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + amount);
  }

  take(): (readonly [labels: string[], amount: number])[] {
    const sums = this.#sums;
    this.#sums = new Map();
    return [...sums].map(([key, amount]) => [key.split(SEPARATOR), amount] as const);
  }
}
