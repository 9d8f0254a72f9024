/** Where one writes. Enter sends, Shift+Enter breaks the line, and an Enter that ends a conversion (IME) does neither. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { findAvatar } from '../avatars/store.ts';
import { connection } from '../connection/store.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import type { ChatStore } from './store.ts';

const maxHeightPx = 220;
/** Longer texts are refused by the server; near it, the count is shown. */
const maxLength = 20_000;

/** Grows a text area with its text. */
export function fitHeight(element: HTMLTextAreaElement): void {
  element.style.height = 'auto';
  element.style.height = `${Math.min(element.scrollHeight + 2, maxHeightPx)}px`;
}

export function Composer({ chat }: { chat: ChatStore }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const text = chat.draft.value;
  useLayoutEffect(() => {
    if (field.current !== null) fitHeight(field.current);
  }, [text]);
  const acts = chat.acts.value;
  useEffect(() => {
    // On a phone the keyboard would cover what one came to read.
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, [acts]);

  const running = chat.running.value !== undefined;
  const sendable = text.trim() !== '' && !chat.busy.value;
  const send = () => {
    if (!sendable) return;
    chat.write('');
    void chat.send(text.trim());
  };
  const name = findAvatar(chat.meta.value?.avatarId)?.name;

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="composer-box">
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          value={text}
          maxLength={maxLength}
          placeholder={name === undefined ? t('chat.placeholder') : t('chat.placeholderTo', { name })}
          aria-label={t('chat.placeholder')}
          aria-describedby="composer-hint"
          enterkeyhint="enter"
          onInput={(event) => {
            chat.write(event.currentTarget.value);
            if (event.currentTarget.value !== '') chat.typing.tell();
          }}
          onKeyDown={(event) => {
            if (event.key === 'Escape' && running && !event.isComposing) void chat.stop();
            // 229: Safari says "not composing" for the Enter that ends a conversion.
            if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229 || event.shiftKey) return;
            // Without a mouse there is no Shift+Enter either: Enter breaks the line and the button sends.
            if (!matchMedia('(hover: hover)').matches) return;
            event.preventDefault();
            send();
          }}
        />
        {running ? (
          <button
            type="button"
            class="send stop"
            aria-label={t('chat.stop')}
            title={t('chat.stop')}
            onClick={() => void chat.stop()}
          >
            <Icon name="stop" size={22} />
          </button>
        ) : (
          <button type="submit" class="send" aria-label={t('chat.send')} title={t('chat.send')} disabled={!sendable}>
            <Icon name="send" size={22} />
          </button>
        )}
      </div>
      <p class="composer-hint" id="composer-hint">
        <Hint chat={chat} />
        {text.length > maxLength * 0.9 && (
          <span>
            {' '}
            {text.length}/{maxLength}
          </span>
        )}
      </p>
    </form>
  );
}

function Hint({ chat }: { chat: ChatStore }) {
  if (connection.value !== 'connected') return <>{t('chat.offlineHint')}</>;
  if (chat.typing.elsewhere.value) return <span class="typing-elsewhere">{t('chat.typingElsewhere')}</span>;
  return <>{t('chat.hint')}</>;
}
