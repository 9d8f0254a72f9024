/** Shows more of a list that comes a page at a time, and leads whoever pressed it to the first new one. */
import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { t } from '../i18n/translate.ts';

type MoreProps = {
  list: RefObject<HTMLElement | null>;
  /** Children of `list` that are shown now: the next one will be the first new one. */
  shown: number;
  /** Adds the next page. Never throws. */
  onMore: () => Promise<void>;
};

const focusable = 'button, a[href], summary';

export function MoreButton({ list, shown, onMore }: MoreProps) {
  const busy = useSignal(false);
  const more = async () => {
    if (busy.value) return;
    busy.value = true;
    await onMore();
    busy.value = false;
    // The button goes away with the last page, and the focus with it.
    requestAnimationFrame(() => list.current?.children[shown]?.querySelector<HTMLElement>(focusable)?.focus());
  };
  return (
    <p class="more-row">
      <button type="button" class="button quiet small" aria-busy={busy.value} onClick={() => void more()}>
        {busy.value ? t('working') : t('more')}
      </button>
    </p>
  );
}
