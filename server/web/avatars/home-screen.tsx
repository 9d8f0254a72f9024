/** Where one comes in: who is there to talk with, and what was talked about last. */
import { useEffect, useRef } from 'preact/hooks';
import type { Avatar } from '../../../protocol/companion.ts';
import { conversations } from '../conversations/store.ts';
import { formatAgo } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { navigate, pathTo } from '../router.ts';
import { errorText } from '../session/error-text.ts';
import { account } from '../session/store.ts';
import { Link } from '../shell/link.tsx';
import { Screen } from '../shell/screen.tsx';
import { Icon } from '../ui/icons.tsx';
import { MoreButton } from '../ui/more-button.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import { AvatarCard } from './avatar-card.tsx';
import { Portrait } from './portrait.tsx';
import { avatars, findAvatar } from './store.ts';

export function HomeScreen() {
  useEffect(() => {
    void avatars.load();
    void conversations.load();
  }, []);
  const name = account.value?.displayName ?? '';
  return (
    <Screen title={greeting(name)} documentTitle={t('home.title')} class="home">
      <RecentConversations />
      <section aria-labelledby="companions-title">
        <div class="section-head">
          <h2 id="companions-title">{t('home.companions')}</h2>
          <Link to={pathTo.newAvatar} class="button quiet small">
            <Icon name="plus" size={17} />
            {t('avatar.new')}
          </Link>
        </div>
        <Companions />
      </section>
    </Screen>
  );
}

function greeting(name: string): string {
  const hour = new Date().getHours();
  const part = hour < 4 || hour >= 18 ? 'evening' : hour < 11 ? 'morning' : 'day';
  return name === '' ? t(`home.${part}`) : t(`home.${part}Name`, { name });
}

function Companions() {
  const list = useRef<HTMLUListElement>(null);
  const now = avatars.now.value;
  if (now.state === 'failed') return <Failed text={errorText(now.error)} onRetry={() => void avatars.load()} />;
  if (now.state !== 'ready') return <Spinning />;
  const { items, nextBefore } = now.value;
  return (
    <>
      <ul class="avatar-grid" ref={list}>
        {items.map((avatar: Avatar) => (
          <AvatarCard key={avatar.avatarId} avatar={avatar} />
        ))}
        <li class="avatar-card avatar-card-new">
          <button type="button" onClick={() => navigate(pathTo.newAvatar)}>
            <span class="avatar-card-plus">
              <Icon name="plus" size={26} />
            </span>
            <strong>{t('avatar.new')}</strong>
            <span>{t('avatar.newHint')}</span>
          </button>
        </li>
      </ul>
      {nextBefore !== null && <MoreButton list={list} shown={items.length} onMore={() => avatars.loadMore()} />}
    </>
  );
}

function RecentConversations() {
  const recent = (conversations.value?.items ?? []).filter((each) => each.lastMessageAt !== null).slice(0, 6);
  if (recent.length === 0) return null;
  return (
    <section aria-labelledby="recent-title">
      <div class="section-head">
        <h2 id="recent-title">{t('home.recent')}</h2>
      </div>
      <ul class="recent">
        {recent.map((conversation) => {
          const avatar = findAvatar(conversation.avatarId);
          return (
            <li key={conversation.conversationId}>
              <Link to={pathTo.chat(conversation.conversationId)} class="recent-card">
                <Portrait name={avatar?.name ?? '?'} accent={avatar?.accent ?? '#6e7389'} size={44} />
                <span class="recent-words">
                  <strong>{conversation.title || avatar?.name || t('conversation.untitled')}</strong>
                  <span>
                    {avatar?.name ?? t('avatar.gone')} ·{' '}
                    {formatAgo(conversation.lastMessageAt ?? conversation.startedAt)}
                  </span>
                </span>
              </Link>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
