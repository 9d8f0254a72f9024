/** One avatar on the home screen: its face opens a conversation, its owner may change it. */
import { useSignal } from '@preact/signals';
import type { Avatar } from '../../../protocol/companion.ts';
import { openConversation } from '../conversations/store.ts';
import { lang, t } from '../i18n/translate.ts';
import { navigate, pathTo } from '../router.ts';
import { errorText } from '../session/error-text.ts';
import { Link } from '../shell/link.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { Portrait } from './portrait.tsx';

export function AvatarCard({ avatar }: { avatar: Avatar }) {
  const busy = useSignal(false);
  const talk = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      navigate(pathTo.chat(await openConversation(avatar.avatarId, avatar.lang ?? lang.value)));
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  return (
    <li class="avatar-card">
      <button type="button" class="avatar-card-face" onClick={talk} aria-busy={busy.value}>
        <Portrait name={avatar.name} accent={avatar.accent} size={92} />
        <span class="sr-only">{t('avatar.talkTo', { name: avatar.name })}</span>
        <strong lang={avatar.lang} dir="auto" aria-hidden="true">
          {avatar.name}
        </strong>
        <span class="avatar-card-tagline" lang={avatar.lang} dir="auto">
          {avatar.tagline}
        </span>
        <span class="chips">
          <span class="chip">{avatar.lang === 'ja' ? '日本語' : 'English'}</span>
          {avatar.owned && (
            <span class="chip">{t(avatar.visibility === 'published' ? 'avatar.published' : 'avatar.private')}</span>
          )}
          {avatar.sample && <span class="chip">{t('avatar.sample')}</span>}
        </span>
      </button>
      {avatar.owned && (
        <Link
          to={pathTo.avatar(avatar.avatarId)}
          class="icon-button avatar-card-edit"
          label={t('avatar.editNamed', { name: avatar.name })}
        >
          <Icon name="edit" size={18} />
        </Link>
      )}
    </li>
  );
}
