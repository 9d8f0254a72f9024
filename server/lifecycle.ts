/** What was started is stopped in reverse order, once, whatever fails on the way. */

type Closer = { name: string; close: () => Promise<void> | void };
type LifecycleLog = { info(facts: object, message: string): void; error(facts: object, message: string): void };

export class Lifecycle {
  readonly #closers: Closer[] = [];
  readonly #log: LifecycleLog;
  #closing: Promise<void> | undefined;

  constructor(log: LifecycleLog) {
    this.#log = log;
  }

  /** Remembers how to stop what has just been started, and gives it back. */
  add<T>(name: string, started: T, close: (started: T) => Promise<void> | void): T {
    this.#closers.push({ name, close: () => close(started) });
    return started;
  }

  /** Stops everything. A part that fails to stop does not keep the others from it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { name, close } of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        this.#log.error({ error, part: name }, 'a part did not stop cleanly');
      }
    }
    this.#log.info({}, 'stopped');
  }
}
