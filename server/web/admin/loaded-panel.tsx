/** A panel over something that is fetched. */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { errorText } from '../session/error-text.ts';
import type { Loaded } from '../ui/loadable.ts';
import { Failed, Spinning } from '../ui/states.tsx';

type PanelProps<T> = { title: string; what: Loaded<T>; children: (value: T) => ComponentChildren };

/** A panel that shows what was fetched, or that it could not be. */
export function LoadedPanel<T>({ title, what, children }: PanelProps<T>) {
  const id = useId();
  const now = what.now.value;
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void what.load()} />}
      {(now.state === 'idle' || now.state === 'loading') && <Spinning />}
      {now.state === 'ready' && children(now.value)}
    </section>
  );
}

/** The end of an id: the beginning is a time and much the same for all of a day. */
export const shortId = (id: string) => <code title={id}>{id.slice(-12)}</code>;
