/** The conversations of the account, with a way to remove one. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Conversation } from '../../../protocol/chat.ts';
import { Portrait } from '../avatars/portrait.tsx';
import { findAvatar } from '../avatars/store.ts';
import { formatAgo } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { currentPath, navigate, pathTo } from '../router.ts';
import { errorText } from '../session/error-text.ts';
import { Link } from '../shell/link.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { conversations, deleteConversation } from './store.ts';

export function ConversationList({ onFollow }: { onFollow?: () => void }) {
  const removing = useSignal<Conversation | undefined>(undefined);
  useEffect(() => {
    if (conversations.now.peek().state === 'idle') void conversations.load();
  }, []);
  const shown = conversations.value;
  const items = (shown?.items ?? []).filter(
    (each) => each.lastMessageAt !== null || currentPath.value === pathTo.chat(each.conversationId),
  );
  const remove = async (conversation: Conversation) => {
    removing.value = undefined;
    try {
      await deleteConversation(conversation.conversationId);
      if (currentPath.value === pathTo.chat(conversation.conversationId)) navigate(pathTo.home, { replace: true });
      notify(t('conversation.deleted'));
    } catch (error) {
      notify(errorText(error), 'wrong');
    }
  };
  return (
    <nav class="conversations" aria-label={t('conversation.list')}>
      <h2>{t('conversation.list')}</h2>
      {shown !== undefined && items.length === 0 && <p class="field-hint">{t('conversation.none')}</p>}
      <ul>
        {items.map((conversation) => (
          <ConversationRow
            key={conversation.conversationId}
            conversation={conversation}
            onRemove={() => {
              removing.value = conversation;
            }}
            {...(onFollow === undefined ? {} : { onFollow })}
          />
        ))}
      </ul>
      {shown !== undefined && shown.nextBefore !== null && (
        <button type="button" class="button quiet small wide" onClick={() => void conversations.loadMore()}>
          {t('more')}
        </button>
      )}
      {removing.value !== undefined && (
        <Confirm
          title={t('conversation.deleteTitle')}
          text={t('conversation.deleteText')}
          action={t('delete')}
          onConfirm={() => {
            if (removing.value !== undefined) void remove(removing.value);
          }}
          onClose={() => {
            removing.value = undefined;
          }}
        />
      )}
    </nav>
  );
}

function ConversationRow({
  conversation,
  onRemove,
  onFollow,
}: {
  conversation: Conversation;
  onRemove: () => void;
  onFollow?: () => void;
}) {
  const avatar = findAvatar(conversation.avatarId);
  const title = conversation.title || avatar?.name || t('conversation.untitled');
  return (
    <li class="conversation-row">
      <Link
        to={pathTo.chat(conversation.conversationId)}
        class="conversation-link"
        {...(onFollow === undefined ? {} : { onFollow })}
      >
        <Portrait name={avatar?.name ?? '?'} accent={avatar?.accent ?? '#6e7389'} size={32} />
        <span class="conversation-words">
          <strong dir="auto">{title}</strong>
          <span>
            <bdi>{avatar?.name ?? t('avatar.gone')}</bdi> ·{' '}
            {formatAgo(conversation.lastMessageAt ?? conversation.startedAt)}
          </span>
        </span>
      </Link>
      <button
        type="button"
        class="icon-button small"
        aria-label={t('conversation.deleteNamed', { title })}
        title={t('conversation.delete')}
        onClick={onRemove}
      >
        <Icon name="trash" size={16} />
      </button>
    </li>
  );
}
