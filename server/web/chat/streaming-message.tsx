/**
 * The answer that is being written. Finished paragraphs are drawn once as Markdown; the rest is one text node that a
 * signal writes to, or a paragraph of Markdown. Readers hear whole sentences, not tokens.
 */
import { type ReadonlySignal, useComputed, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Avatar } from '../../../protocol/companion.ts';
import { Portrait } from '../avatars/portrait.tsx';
import { t } from '../i18n/translate.ts';
import { announce } from '../ui/notices.tsx';
import { MarkdownView } from './markdown-view.tsx';
import type { ChatStore } from './store.ts';
import { mayHaveMarks, sentenceEnd, settledEnd } from './streaming.ts';

/** Read out at most this often, so that speech is not cut to pieces. */
const speakEveryMs = 2_500;

export function StreamingMessage({ chat, avatar }: { chat: ChatStore; avatar: Avatar | undefined }) {
  const settled = useComputed(() => chat.streamText.value.slice(0, settledEnd(chat.streamText.value)));
  const tail = useComputed(() => chat.streamText.value.slice(settled.value.length));
  const marked = useComputed(() => mayHaveMarks(tail.value));
  const waiting = useComputed(() => chat.streamText.value === '');
  const spoken = useRef({ text: '', end: 0, atMs: 0 });
  useSignalEffect(() => {
    const text = chat.streamText.value;
    // Empty again when the answer has moved to the stored messages.
    if (text !== '') spoken.current.text = text;
    const end = sentenceEnd(text, spoken.current.end);
    const nowMs = Date.now();
    if (end === spoken.current.end || nowMs - spoken.current.atMs < speakEveryMs) return;
    announce(text.slice(spoken.current.end, end));
    spoken.current = { text, end, atMs: nowMs };
  });
  useEffect(
    () => () => {
      const rest = spoken.current.text.slice(spoken.current.end);
      if (rest.trim() !== '') announce(rest);
    },
    [],
  );
  return (
    <article
      class="message answer streaming"
      aria-label={t('chat.messageOf', { name: avatar?.name ?? t('chat.companion') })}
    >
      <div class="knot-mark">
        <Portrait name={avatar?.name ?? '?'} accent={avatar?.accent ?? '#6e7389'} size={34} />
      </div>
      <div class="answer-body">
        <div class="prose" lang={chat.meta.value?.lang}>
          {waiting.value && (
            <p class="thinking">
              <span class="thinking-thread" />
              <span class="sr-only">{t('chat.writing')}</span>
            </p>
          )}
          <Settled text={settled.value} />
          {marked.value ? (
            <MarkedTail tail={tail} />
          ) : (
            <p class="tail" dir="auto">
              {tail}
            </p>
          )}
        </div>
      </div>
    </article>
  );
}

/** Only the paragraph under way is read again with each delta, and only once something in it may be Markdown. */
function MarkedTail({ tail }: { tail: ReadonlySignal<string> }) {
  return <MarkdownView text={tail.value} />;
}

function Settled({ text }: { text: string }) {
  return text === '' ? null : <MarkdownView text={text} />;
}
