/** A list that is fetched a page at a time, newest first. */

import { errorText } from '../session/error-text.ts';
import { Loaded } from './loadable.ts';
import { notify } from './notices.tsx';

export type Page<T> = Readonly<{ items: readonly T[]; nextBefore: string | null }>;

export class Paged<T> extends Loaded<Page<T>> {
  readonly #fetchPage: (before: string | undefined) => Promise<Page<T>>;

  constructor(fetchPage: (before: string | undefined) => Promise<Page<T>>) {
    super(() => fetchPage(undefined));
    this.#fetchPage = fetchPage;
  }

  /** Adds the next page to what is shown; a failure is said and changes nothing. */
  async loadMore(): Promise<void> {
    const shown = this.value;
    if (shown === undefined || shown.nextBefore === null) return;
    try {
      const next = await this.#fetchPage(shown.nextBefore);
      if (this.value === shown) this.set({ items: [...shown.items, ...next.items], nextBefore: next.nextBefore });
    } catch (error) {
      notify(errorText(error), 'wrong');
    }
  }
}
