/**
 * Reads that many ask for at once. What is asked for while others are being read is read together, in the order of asking; who asks
 * for the same before it has begun gets the same result. One that has begun is never shared: it may miss what was written since.
 */

type Waiting<W, T> = { wish: W; result: PromiseWithResolvers<T> };

/** Two, so that the store has the next when it is done with one. */
const READINGS_AT_ONCE = 2;
/** So that whoever stands first is not kept waiting by all who stand behind. */
const WISHES_AT_ONCE = 32;

export class SharedReads<W, T> {
  readonly #read: (take: () => W[]) => Promise<T[]>;
  readonly #keyOf: (wish: W) => string;
  /** In the order of asking. */
  readonly #waiting = new Map<string, Waiting<W, T>>();
  #readings = 0;

  /**
   * @param read calls `take` once, when it begins to read, and gives a result for each of these wishes, in their order. Results are
   *   shared: nobody may change them.
   */
  constructor(keyOf: (wish: W) => string, read: (take: () => W[]) => Promise<T[]>) {
    this.#keyOf = keyOf;
    this.#read = read;
  }

  read(wish: W): Promise<T> {
    const key = this.#keyOf(wish);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting.result.promise;
    const result = Promise.withResolvers<T>();
    this.#waiting.set(key, { wish, result });
    if (this.#readings < READINGS_AT_ONCE) void this.#readAll();
    return result.promise;
  }

  async #readAll(): Promise<void> {
    this.#readings += 1;
    while (this.#waiting.size > 0) await this.#readSome();
    this.#readings -= 1;
  }

  async #readSome(): Promise<void> {
    let taken: Waiting<W, T>[] | undefined;
    const take = (): Waiting<W, T>[] => {
      taken = [...this.#waiting.values()].slice(0, WISHES_AT_ONCE);
      for (const { wish } of taken) this.#waiting.delete(this.#keyOf(wish));
      return taken;
    };
    try {
      const results = await this.#read(() => take().map(({ wish }) => wish));
      if (taken === undefined) throw new Error('A reading has ended without having begun.');
      for (const [place, { result }] of taken.entries()) result.resolve(results[place] as T);
    } catch (error) {
      // It may also fail before it begins.
      for (const { result } of taken ?? take()) result.reject(error);
    }
  }
}
