/** Chance that can be repeated: the same seed gives the same choices. The stream is the persona's; here is what people and faults draw. */
import { Random as Draws, hashText } from '../../server/llm/persona/random.ts';
export class Random {
  readonly #seed: number;
  readonly #draws: Draws;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#draws = new Draws(seed);
  }

  /** In [0, 1). */
  next(): number {
    return this.#draws.next();
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** Undefined only for an empty list. */
  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.next() * from.length)];
  }

  /** By weight: the higher, the more often. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      at -= weight;
      if (at < 0) return name;
    }
    throw new Error('There is nothing to choose from.');
  }

  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list];
    const mixed: T[] = [];
    while (rest.length > 0) mixed.push(...rest.splice(Math.floor(this.next() * rest.length), 1));
    return mixed;
  }

  /** Chance of its own for a part, so that what one part draws does not shift what another one gets. */
  fork(name: string): Random {
    return new Random(hashText(name, this.#seed));
  }
}
