/** Changing an own message in its place. Escape leaves it, Enter with Ctrl or Command sends. */
import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Message } from '../../../protocol/chat.ts';
import { t } from '../i18n/translate.ts';
import { fitHeight } from './composer.tsx';
import type { ChatStore } from './store.ts';

type EditProps = { chat: ChatStore; message: Message; onTaken: () => void; onLeave: () => void };

export function EditMessage({ chat, message, onTaken, onLeave }: EditProps) {
  const text = useSignal(message.text);
  const field = useRef<HTMLTextAreaElement>(null);
  // Before anybody can type: behind the first letters it would move the cursor away from them.
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
    fitHeight(element);
  }, []);
  const unsendable = text.value.trim() === '' || text.value === message.text || chat.busy.value;
  const save = async () => {
    // What was typed stays here when the server did not take it.
    if (!unsendable && (await chat.edit(message.messageId, text.value.trim()))) onTaken();
  };
  return (
    <article class="message own editing">
      <textarea
        ref={field}
        class="input"
        dir="auto"
        aria-label={t('chat.editLabel')}
        value={text.value}
        maxLength={20_000}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          fitHeight(event.currentTarget);
        }}
        onKeyDown={(event) => {
          if (event.isComposing) return;
          if (event.key === 'Escape') onLeave();
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void save();
        }}
      />
      <p class="field-hint">{t('chat.editHint')}</p>
      <div class="button-row end">
        <button type="button" class="button quiet small" onClick={onLeave}>
          {t('cancel')}
        </button>
        <button type="button" class="button primary small" disabled={unsendable} onClick={save}>
          {t('chat.editSend')}
        </button>
      </div>
    </article>
  );
}
