/** How many answers a person may have at a time on this gateway, those counted whose turns are still being written. */
import { AppError } from '../errors.ts';

export class RunningPlaces {
  readonly #countRunning: (userId: string) => number;
  readonly #limit: number;
  /** Of turns that are being written: their answers do not run yet. */
  readonly #taken = new Map<string, number>();

  constructor(countRunning: (userId: string) => number, limit: number) {
    this.#countRunning = countRunning;
    this.#limit = limit;
  }

  isFull(userId: string): boolean {
    return this.#countRunning(userId) + this.#takenOf(userId) >= this.#limit;
  }

  /** @throws AppError `chat.too_many_generations` */
  take(userId: string): void {
    if (this.isFull(userId)) throw new AppError('chat.too_many_generations', { limit: this.#limit });
    this.#taken.set(userId, this.#takenOf(userId) + 1);
  }

  free(userId: string): void {
    const left = this.#takenOf(userId) - 1;
    if (left > 0) this.#taken.set(userId, left);
    else this.#taken.delete(userId);
  }

  #takenOf(userId: string): number {
    return this.#taken.get(userId) ?? 0;
  }
}

/** The place of one turn, from the moment its rules are met until its answer runs or never will. */
export class RunningPlace {
  readonly #places: RunningPlaces;
  readonly #userId: string;
  #isTaken = false;

  constructor(places: RunningPlaces, userId: string) {
    this.#places = places;
    this.#userId = userId;
  }

  /** Once; a further try of the same turn keeps it. @throws AppError `chat.too_many_generations` */
  take(): void {
    if (this.#isTaken) return;
    this.#places.take(this.#userId);
    this.#isTaken = true;
  }

  free(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#places.free(this.#userId);
  }
}
