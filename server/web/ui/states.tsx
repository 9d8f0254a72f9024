/** What a screen shows while it waits and when it could not get what it needs. */

import { Knot } from '../avatars/knot.tsx';
import { t } from '../i18n/translate.ts';
import { Icon } from './icons.tsx';

/** A thread being spun. */
export function Spinning({ label = t('loading') }: { label?: string }) {
  return (
    <div class="spinning" role="status">
      <svg viewBox="0 0 48 48" width="40" height="40" aria-hidden="true">
        <circle class="spinning-track" cx="24" cy="24" r="18" />
        <circle class="spinning-thread" cx="24" cy="24" r="18" />
      </svg>
      <span>{label}</span>
    </div>
  );
}

export function Failed({ text, onRetry }: { text: string; onRetry?: () => void }) {
  return (
    <div class="failed" role="alert">
      <Icon name="alert" />
      <p>{text}</p>
      {onRetry !== undefined && (
        <button type="button" class="button quiet" onClick={onRetry}>
          {t('retry')}
        </button>
      )}
    </div>
  );
}

export function Empty({ title, text }: { title: string; text: string }) {
  return (
    <div class="empty">
      <Knot seed={title} size={72} />
      <h3>{title}</h3>
      <p>{text}</p>
    </div>
  );
}
