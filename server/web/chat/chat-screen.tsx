/** The conversation: who one talks with, what was said, and where one writes. */
import { computed, effect, useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { Portrait } from '../avatars/portrait.tsx';
import { fetchAvatars, findAvatar, isGone } from '../avatars/store.ts';
import { deleteConversation } from '../conversations/store.ts';
import { t } from '../i18n/translate.ts';
import { navigate, pathTo } from '../router.ts';
import { errorText } from '../session/error-text.ts';
import { client } from '../session/store.ts';
import { Link } from '../shell/link.tsx';
import { MenuButton } from '../shell/menu.tsx';
import { useArrivalFocus } from '../shell/screen.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import { Composer } from './composer.tsx';
import { MessageList } from './message-list.tsx';
import { ChatStore } from './store.ts';
import { TraceDrawer } from './trace-drawer.tsx';

export function ChatScreen({ conversationId }: { conversationId: string }) {
  const chat = useMemo(() => new ChatStore(conversationId, client), [conversationId]);
  const traced = useSignal<string | undefined>(undefined);
  useEffect(() => {
    const avatarId = computed(() => chat.meta.value?.avatarId ?? null);
    const unwatch = effect(() => {
      if (avatarId.value !== null)
        fetchAvatars([avatarId.value]).catch((error: unknown) => notify(errorText(error), 'wrong'));
    });
    void chat.start();
    return () => {
      unwatch();
      chat.end();
    };
  }, [chat]);

  return (
    <main class="chat">
      <ChatHead chat={chat} />
      <ChatBody
        chat={chat}
        onTrace={(generationId) => {
          traced.value = generationId;
        }}
      />
      {traced.value !== undefined && (
        <TraceDrawer
          generationId={traced.value}
          onClose={() => {
            traced.value = undefined;
          }}
        />
      )}
    </main>
  );
}

function ChatBody({ chat, onTrace }: { chat: ChatStore; onTrace: (generationId: string) => void }) {
  switch (chat.phase.value) {
    case 'loading':
      return (
        <div class="chat-wait">
          <Spinning label={t('chat.loading')} />
        </div>
      );
    case 'failed':
      return (
        <div class="chat-wait">
          <Failed text={errorText(chat.failure.value)} onRetry={() => void chat.start()} />
        </div>
      );
    case 'gone':
      return (
        <div class="chat-wait">
          <Failed text={t('chat.gone')} />
          <Link to={pathTo.home} class="button quiet">
            {t('nav.home')}
          </Link>
        </div>
      );
    case 'ready':
      return (
        <>
          <MessageList chat={chat} onTrace={onTrace} />
          <Composer chat={chat} />
        </>
      );
  }
}

function ChatHead({ chat }: { chat: ChatStore }) {
  const asking = useSignal(false);
  const avatar = findAvatar(chat.meta.value?.avatarId);
  const name = avatar?.name ?? nameless(chat);
  const heading = useArrivalFocus(name || t('chat.title'));
  const remove = async () => {
    try {
      await deleteConversation(chat.conversationId);
      navigate(pathTo.home, { replace: true });
      notify(t('conversation.deleted'));
    } catch (error) {
      asking.value = false;
      notify(errorText(error), 'wrong');
    }
  };
  return (
    <>
      <header class="chat-head">
        <MenuButton />
        {avatar !== undefined && <Portrait name={avatar.name} accent={avatar.accent} size={42} />}
        <div class="chat-head-words">
          <h1 ref={heading} tabIndex={-1} lang={avatar?.lang} dir="auto">
            {name}
          </h1>
          <p lang={chat.running.value === undefined ? avatar?.lang : undefined} dir="auto">
            {chat.running.value === undefined ? avatar?.tagline : t('chat.writing')}
          </p>
        </div>
        {avatar?.owned === true && (
          <Link
            to={pathTo.avatar(avatar.avatarId)}
            class="icon-button"
            label={t('avatar.editNamed', { name: avatar.name })}
          >
            <Icon name="edit" />
          </Link>
        )}
        {chat.phase.value === 'ready' && (
          <button
            type="button"
            class="icon-button"
            aria-label={t('conversation.delete')}
            title={t('conversation.delete')}
            onClick={() => {
              asking.value = true;
            }}
          >
            <Icon name="trash" />
          </button>
        )}
      </header>
      {asking.value && (
        <Confirm
          title={t('conversation.deleteTitle')}
          text={t('conversation.deleteText')}
          action={t('delete')}
          onConfirm={remove}
          onClose={() => {
            asking.value = false;
          }}
        />
      )}
    </>
  );
}

/** Only what is known to have had a companion has lost it. */
function nameless(chat: ChatStore): string {
  if (chat.phase.value === 'gone') return t('chat.title');
  const { value: meta } = chat.meta;
  return meta !== undefined && isGone(meta.avatarId) ? t('avatar.gone') : '';
}
