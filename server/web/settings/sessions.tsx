/** Where the account is signed in, and how to end that. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatAgo } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { signOut } from '../session/store.ts';
import { Confirm } from '../ui/dialog.tsx';
import { MoreButton } from '../ui/more-button.tsx';
import { notify } from '../ui/notices.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import { deviceName } from './device-name.ts';
import { endSession, sessions } from './store.ts';

export function Sessions() {
  const asking = useSignal(false);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => void sessions.load(), []);
  const now = sessions.now.value;
  const tell = (error: unknown) => notify(errorText(error), 'wrong');
  return (
    <section class="panel" aria-labelledby="sessions-title">
      <h2 id="sessions-title">{t('settings.sessions')}</h2>
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void sessions.load()} />}
      {(now.state === 'idle' || now.state === 'loading') && <Spinning />}
      {now.state === 'ready' && (
        <ul class="rows" ref={list}>
          {now.value.items.map((session) => {
            const name = deviceName(session.userAgent) ?? t('settings.unknownDevice');
            return (
              <li key={session.sessionId} class="row">
                <span class="row-words">
                  <strong>{name}</strong>
                  <span>{t('settings.lastSeen', { ago: formatAgo(session.lastSeenAt) })}</span>
                </span>
                {session.current ? (
                  <span class="chip chip-thread">{t('settings.thisDevice')}</span>
                ) : (
                  <button
                    type="button"
                    class="button quiet small"
                    aria-label={t('settings.endNamed', { name })}
                    onClick={() => void endSession(session.sessionId).catch(tell)}
                  >
                    {t('settings.end')}
                  </button>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {now.state === 'ready' && now.value.nextBefore !== null && (
        <MoreButton list={list} shown={now.value.items.length} onMore={() => sessions.loadMore()} />
      )}
      <button
        type="button"
        class="button quiet wrong"
        onClick={() => {
          asking.value = true;
        }}
      >
        {t('settings.signOutAll')}
      </button>
      {asking.value && (
        <Confirm
          title={t('settings.signOutAll')}
          text={t('settings.signOutAllText')}
          action={t('settings.signOutAll')}
          onConfirm={() => void signOut({ all: true }).catch(tell)}
          onClose={() => {
            asking.value = false;
          }}
        />
      )}
    </section>
  );
}
