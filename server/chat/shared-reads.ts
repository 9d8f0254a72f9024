/**
 * Reads that several wait for at once: who asks for the same before it has begun gets its result. One that has begun is never
 * shared: it may miss what was written since. When thousands come back together, the devices of a person read once.
 */
export class SharedReads<T> {
  readonly #waiting = new Map<string, Promise<T>>();

  /** @param read calls `begun` before it reads anything. Its result is shared: nobody may change it. */
  async read(key: string, read: (begun: () => void) => Promise<T>): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return waiting;
    const begun = () => void this.#waiting.delete(key);
    const reading = read(begun).catch((error: unknown) => {
      // It may have failed before it began.
      begun();
      throw error;
    });
    this.#waiting.set(key, reading);
    return reading;
  }
}
