/** Something that is fetched: waiting, there, or failed. One shape for every screen. */
import { type Signal, signal } from '@preact/signals';

export type Loadable<T> =
  | { state: 'idle' }
  | { state: 'loading' }
  | { state: 'ready'; value: T }
  | { state: 'failed'; error: unknown };

export class Loaded<T> {
  readonly now: Signal<Loadable<T>> = signal<Loadable<T>>({ state: 'idle' });
  readonly #fetch: () => Promise<T>;
  /** Counts the loads, so that an older answer never replaces a newer one. */
  #turn = 0;

  constructor(fetch: () => Promise<T>) {
    this.#fetch = fetch;
  }

  /** The value when it is there, also while it is being fetched again. */
  get value(): T | undefined {
    return this.now.value.state === 'ready' ? this.now.value.value : undefined;
  }

  set(value: T): void {
    this.#turn++;
    this.now.value = { state: 'ready', value };
  }

  reset(): void {
    this.#turn++;
    this.now.value = { state: 'idle' };
  }

  /** Fetches; what is shown stays until the answer. Never throws: a failure is a state. */
  async load(): Promise<void> {
    const turn = ++this.#turn;
    if (this.now.peek().state !== 'ready') this.now.value = { state: 'loading' };
    try {
      const value = await this.#fetch();
      if (turn === this.#turn) this.now.value = { state: 'ready', value };
    } catch (error) {
      if (turn === this.#turn) this.now.value = { state: 'failed', error };
    }
  }
}
