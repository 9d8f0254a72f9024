/** Says that the thread is being tied again. Shown only when that takes a moment, so that a blink stays unnoticed. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import { connection } from './store.ts';

const quietMs = 900;

export function ConnectionBanner() {
  const shown = useSignal(false);
  const state = connection.value;
  useEffect(() => {
    if (state === 'connected') {
      shown.value = false;
      return;
    }
    const timer = setTimeout(() => {
      shown.value = true;
    }, quietMs);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <div class="banner-place" role="status">
      {shown.value && state !== 'connected' && (
        <p class={`banner banner-${state}`}>
          <Icon name="offline" size={17} />
          {t(state === 'offline' ? 'connection.offline' : 'connection.reconnecting')}
        </p>
      )}
    </div>
  );
}

/** A dot and a word, always there. */
export function ConnectionMark() {
  const state = connection.value;
  return <span class={`connection connection-${state}`}>{t(`connection.${state}Short`)}</span>;
}
