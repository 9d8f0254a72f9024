/**
 * Reads that several wait for at once: who asks for the same before it has begun gets its result. One that has begun is never
 * shared: it may miss what was written since. When thousands come back together, the devices of a person read once.
 */
export class SharedReads<T> {
  readonly #waiting = new Map<string, { result: Promise<T> }>();

  /** @param read calls `begun` before it reads anything. Its result is shared: nobody may change it. */
  async read(key: string, read: (begun: () => void) => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting.result;
    const reading = {} as { result: Promise<T> };
    this.#waiting.set(key, reading);
    // Once it has begun, another one may wait in its place.
    const begun = (): void => {
      if (this.#waiting.get(key) === reading) this.#waiting.delete(key);
    };
    // It may also fail before it begins.
    reading.result = read(begun).finally(begun);
    return reading.result;
  }
}
