/** A panel over something that is fetched. */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import type { Loaded } from './loadable.ts';
import type { Paged } from './paged.ts';
import { Failed, Spinning } from './states.tsx';

type PanelProps<T> = {
  title: string;
  hint?: string | undefined;
  aside?: ComponentChildren;
  what: Loaded<T>;
  children: (value: T) => ComponentChildren;
};

/** A panel that shows what was fetched, or that it could not be. */
export function LoadedPanel<T>({ title, hint, aside, what, children }: PanelProps<T>) {
  const id = useId();
  const now = what.now.value;
  return (
    <section class="panel" aria-labelledby={id}>
      <div class="panel-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {hint !== undefined && <p class="field-hint">{hint}</p>}
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void what.load()} />}
      {(now.state === 'idle' || now.state === 'loading') && <Spinning />}
      {now.state === 'ready' && children(now.value)}
    </section>
  );
}

type ListPanelProps<T> = {
  title: string;
  hint?: string | undefined;
  aside?: ComponentChildren;
  what: Paged<T>;
  /** Said when there is nothing. */
  empty: string;
  children: (items: readonly T[]) => ComponentChildren;
};

/** A panel over a list that comes a page at a time. */
export function ListPanel<T>({ empty, children, what, ...rest }: ListPanelProps<T>) {
  return (
    <LoadedPanel what={what} {...rest}>
      {({ items, nextBefore }) => (
        <>
          {items.length === 0 ? <p class="quiet-text">{empty}</p> : children(items)}
          {nextBefore !== null && (
            <button type="button" class="button quiet small" onClick={() => void what.loadMore()}>
              {t('more')}
            </button>
          )}
        </>
      )}
    </LoadedPanel>
  );
}

/** The end of an id: the beginning is a time and much the same for all of a day. */
export const shortId = (id: string) => <code title={id}>{id.slice(-12)}</code>;
