/** What was said, oldest first. Owns the scrolling: at the end it stays there, in the past it stays where one reads. */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { findAvatar } from '../avatars/store.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import { BrokenAnswer, OutgoingMessage, Unanswered } from './message-states.tsx';
import { MessageView } from './message-view.tsx';
import { Opening } from './opening.tsx';
import type { ChatStore } from './store.ts';
import { StreamingMessage } from './streaming-message.tsx';

/** So near the end counts as at the end, in pixels. */
const nearEndPx = 80;
const loadOlderWithinPx = 600;

export function MessageList({ chat, onTrace }: { chat: ChatStore; onTrace: (generationId: string) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { atEnd, toEnd, onScroll } = useScroll(chat, scroller);
  const avatar = findAvatar(chat.meta.value?.avatarId);
  const messages = chat.messages.value;
  const lastIndex = messages.length - 1;
  return (
    <div class="chat-view">
      <div
        ref={scroller}
        class="chat-scroll"
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={t('chat.log')}
        aria-busy={chat.running.value !== undefined}
      >
        <div class="thread">
          {chat.hasOlder.value ? (
            <p class="thread-older" role="status">
              {t(chat.loadingOlder.value ? 'chat.loadingOlder' : 'chat.older')}
            </p>
          ) : (
            <Opening chat={chat} avatar={avatar} />
          )}
          {messages.map((message, i) => (
            <MessageView
              // By its place: another branch there takes over the elements, and with them the focus.
              key={message.parentId ?? ''}
              chat={chat}
              message={message}
              avatar={avatar}
              last={i === lastIndex}
              onTrace={onTrace}
            />
          ))}
          {chat.outgoing.value !== undefined && <OutgoingMessage chat={chat} outgoing={chat.outgoing.value} />}
          {chat.running.value !== undefined && (
            <StreamingMessage key={chat.running.value.generationId} chat={chat} avatar={avatar} />
          )}
          {chat.unanswered.value !== undefined && <Unanswered chat={chat} messageId={chat.unanswered.value} />}
          {chat.broken.value !== undefined && <BrokenAnswer chat={chat} broken={chat.broken.value} />}
        </div>
      </div>
      {!atEnd && (
        <button type="button" class="jump" onClick={() => toEnd(true)}>
          <Icon name="down" size={18} />
          {t('chat.jump')}
        </button>
      )}
    </div>
  );
}

function useScroll(chat: ChatStore, scroller: { readonly current: HTMLDivElement | null }) {
  const atEnd = useSignal(true);
  /** The first message and the height when it was drawn: a new first message means that older ones came in above. */
  const observedHeight = useRef(0);
  const drawn = useRef<{ first: string | undefined; height: number }>({ first: undefined, height: 0 });

  const toEnd = (smooth: boolean) => {
    const element = scroller.current;
    element?.scrollTo({
      top: element.scrollHeight,
      behavior: smooth && !matchMedia('(prefers-reduced-motion: reduce)').matches ? 'smooth' : 'instant',
    });
  };
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    // What grew since the observer looked last is not what anybody has scrolled away from: it follows in this very frame.
    const grown = atEnd.peek() ? Math.max(0, element.scrollHeight - observedHeight.current) : 0;
    atEnd.value = element.scrollHeight - element.scrollTop - element.clientHeight - grown < nearEndPx;
    if (element.scrollTop < loadOlderWithinPx && chat.hasOlder.value && !chat.loadingOlder.value) void chat.loadOlder();
  };

  const first = chat.messages.value[0]?.messageId;
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const before = drawn.current;
    if (before.first !== undefined && before.first !== first && !atEnd.peek())
      element.scrollTop += element.scrollHeight - before.height;
    drawn.current = { first, height: element.scrollHeight };
  });
  useLayoutEffect(() => toEnd(false), []);
  // One's own message is always worth seeing.
  useLayoutEffect(() => {
    if (chat.outgoing.value !== undefined) toEnd(false);
  }, [chat.outgoing.value?.clientMessageId]);
  useEffect(() => {
    const element = scroller.current;
    const thread = element?.firstElementChild;
    if (element === null || !thread) return;
    // Whatever makes the thread grow (text, code, a window made narrower), who was at the end stays there.
    const observer = new ResizeObserver(() => {
      observedHeight.current = element.scrollHeight;
      if (atEnd.peek()) toEnd(false);
    });
    observer.observe(thread);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { atEnd: atEnd.value, toEnd, onScroll };
}
