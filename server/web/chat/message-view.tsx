/** One message with what can be done with it. */
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Message } from '../../../protocol/chat.ts';
import type { Avatar } from '../../../protocol/companion.ts';
import { MAX_BRANCHES } from '../../../protocol/primitives.ts';
import { Portrait } from '../avatars/portrait.tsx';
import { formatNumber, formatTime } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import { CopyButton } from './copy-button.tsx';
import { EditMessage } from './edit-message.tsx';
import { MarkdownView } from './markdown-view.tsx';
import type { ChatStore } from './store.ts';

type MessageProps = {
  chat: ChatStore;
  message: Message;
  avatar: Avatar | undefined;
  last: boolean;
  onTrace: (generationId: string) => void;
};

/** No further branch may stand beside it; the server counts for itself. */
const isFull = ({ siblings }: Message): boolean => siblings.length >= MAX_BRANCHES;

export function MessageView(props: MessageProps) {
  return props.message.role === 'user' ? <OwnMessage {...props} /> : <Answer {...props} />;
}

function OwnMessage({ chat, message }: MessageProps) {
  const editing = useSignal(false);
  const hasLeft = useRef(false);
  const leave = (without: boolean) => {
    hasLeft.current = without;
    editing.value = false;
  };
  const label = isFull(message) ? t('chat.editFull', { count: MAX_BRANCHES }) : t('chat.edit');
  if (editing.value)
    return <EditMessage chat={chat} message={message} onTaken={() => leave(false)} onLeave={() => leave(true)} />;
  return (
    <article class="message own" aria-label={t('chat.ownMessage')} data-message-id={message.messageId}>
      <div class="bubble" dir="auto">
        {message.text}
      </div>
      <footer class="message-foot">
        <time dateTime={message.createdAt}>{formatTime(message.createdAt)}</time>
        <CopyButton text={message.text} label={t('chat.copy')} />
        <button
          type="button"
          ref={(button) => {
            // Whoever leaves without a change is where he was.
            if (hasLeft.current) button?.focus();
            hasLeft.current = false;
          }}
          class="icon-button small"
          aria-label={label}
          title={label}
          disabled={chat.busy.value || isFull(message)}
          onClick={() => {
            editing.value = true;
          }}
        >
          <Icon name="edit" size={16} />
        </button>
        <Swipes chat={chat} message={message} />
      </footer>
    </article>
  );
}

function Answer({ chat, message, avatar, last, onTrace }: MessageProps) {
  const name = avatar?.name ?? t('chat.companion');
  const label = isFull(message) ? t('chat.againFull', { count: MAX_BRANCHES }) : t('chat.again');
  return (
    <article class="message answer" aria-label={t('chat.messageOf', { name })} data-message-id={message.messageId}>
      <div class="knot-mark">
        <Portrait name={avatar?.name ?? '?'} accent={avatar?.accent ?? '#6e7389'} size={34} />
      </div>
      <div class="answer-body">
        <div class="prose" lang={chat.meta.value?.lang}>
          <MarkdownView text={message.text} />
        </div>
        <FinishNote message={message} />
        <footer class="message-foot">
          <time dateTime={message.createdAt}>{formatTime(message.createdAt)}</time>
          <CopyButton text={message.text} label={t('chat.copy')} />
          <button
            type="button"
            class="icon-button small"
            aria-label={label}
            title={label}
            disabled={chat.busy.value || isFull(message)}
            onClick={() => void chat.regenerate(message.messageId)}
          >
            <Icon name="again" size={16} />
          </button>
          {message.generationId !== null && (
            <button
              type="button"
              class="icon-button small"
              aria-label={t('chat.trace')}
              title={t('chat.trace')}
              onClick={() => onTrace(message.generationId ?? '')}
            >
              <Icon name="trace" size={16} />
            </button>
          )}
          <Swipes chat={chat} message={message} />
          {last && message.usage !== null && (
            <span class="token-count">
              {message.usage.tokensOut === 1
                ? t('chat.oneToken')
                : t('chat.tokens', { count: formatNumber(message.usage.tokensOut) })}
            </span>
          )}
        </footer>
      </div>
    </article>
  );
}

function FinishNote({ message }: { message: Message }) {
  switch (message.finishReason) {
    case 'stopped':
      return <p class="finish-note">{t('chat.finish.stopped')}</p>;
    case 'interrupted':
      return <p class="finish-note">{t('chat.finish.interrupted')}</p>;
    case 'length':
      return <p class="finish-note">{t('chat.finish.length')}</p>;
    case 'error':
      return <p class="finish-note">{t('chat.finish.error')}</p>;
    case 'content_filter':
      return <p class="finish-note">{t('chat.finish.filter')}</p>;
    default:
      return null;
  }
}

/** ‹ 2/3 ›: the other branches at this place. */
function Swipes({ chat, message }: { chat: ChatStore; message: Message }) {
  const { siblings } = message;
  const at = siblings.indexOf(message.messageId);
  if (siblings.length < 2 || at === -1) return null;
  const step = (by: number, label: string, icon: 'back' | 'next') => {
    const to = siblings[at + by];
    return (
      <button
        type="button"
        class="icon-button small"
        aria-label={label}
        title={label}
        disabled={to === undefined || chat.writing.value}
        onClick={() => {
          if (to !== undefined) void chat.select(to);
        }}
      >
        <Icon name={icon} size={15} />
      </button>
    );
  };
  return (
    <fieldset class="swipes" aria-label={t('chat.versions')}>
      {step(-1, t('chat.previousVersion'), 'back')}
      <span aria-hidden="true">
        {at + 1}/{siblings.length}
      </span>
      <span class="sr-only">{t('chat.versionOf', { at: at + 1, count: siblings.length })}</span>
      {step(1, t('chat.nextVersion'), 'next')}
    </fieldset>
  );
}
