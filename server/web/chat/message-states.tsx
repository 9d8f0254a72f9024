/** Messages that are not stored: one on its way, one that could not be sent, an answer that broke off before it began. */
import { t } from '../i18n/translate.ts';
import { WayOut } from '../money/way-out.tsx';
import { errorText } from '../session/error-text.ts';
import { Icon } from '../ui/icons.tsx';
import type { Broken, ChatStore, Outgoing } from './store.ts';

export function OutgoingMessage({ chat, outgoing }: { chat: ChatStore; outgoing: Outgoing }) {
  const failed = outgoing.error !== undefined;
  return (
    <article class={failed ? 'message own unsent' : 'message own sending'} aria-label={t('chat.ownMessage')}>
      <div class="bubble" dir="auto">
        {outgoing.text}
      </div>
      {failed ? (
        <div class="message-problem" role="alert">
          <Icon name="alert" size={16} />
          <span>{errorText(outgoing.error)}</span>
          <WayOut error={outgoing.error} />
          <button type="button" class="button quiet small" onClick={() => void chat.sendAgain()}>
            {t('retry')}
          </button>
          <button type="button" class="button quiet small" onClick={() => chat.takeBack()}>
            {t('chat.takeBack')}
          </button>
        </div>
      ) : (
        <footer class="message-foot shown">
          <span>{t('chat.sending')}</span>
        </footer>
      )}
    </article>
  );
}

/** After a reload nobody knows any more why, but an answer can still be asked for. */
export function Unanswered({ chat, messageId }: { chat: ChatStore; messageId: string }) {
  return (
    <div class="message-problem answer-problem answer-missing">
      <span>{t('chat.unanswered')}</span>
      <button type="button" class="button quiet small" onClick={() => void chat.regenerate(messageId)}>
        {t('chat.answerNow')}
      </button>
    </div>
  );
}

export function BrokenAnswer({ chat, broken }: { chat: ChatStore; broken: Broken }) {
  return (
    <div class="message-problem answer-problem" role="alert">
      <Icon name="alert" size={16} />
      <span>{errorText(broken.error)}</span>
      <WayOut error={broken.error} />
      <button
        type="button"
        class="button quiet small"
        disabled={chat.busy.value}
        onClick={() => void chat.regenerate(broken.parentId)}
      >
        {t('retry')}
      </button>
    </div>
  );
}
