/** What only the owner may do with an avatar: show it to everybody, take it back, remove it. */
import { useSignal } from '@preact/signals';
import type { Avatar } from '../../../protocol/companion.ts';
import { t } from '../i18n/translate.ts';
import { navigate, pathTo } from '../router.ts';
import { errorText } from '../session/error-text.ts';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { deleteAvatar, publishAvatar } from './store.ts';

export function OwnerActions({ avatar }: { avatar: Avatar }) {
  const asking = useSignal(false);
  const busy = useSignal(false);
  const published = avatar.visibility === 'published';
  const run = async (task: () => Promise<unknown>) => {
    busy.value = true;
    try {
      await task();
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  const publish = () =>
    run(async () => {
      await publishAvatar(avatar.avatarId, published ? 'private' : 'published');
      notify(t(published ? 'avatar.unpublishedNow' : 'avatar.publishedNow'));
    });
  const remove = () =>
    run(async () => {
      await deleteAvatar(avatar.avatarId);
      notify(t('avatar.deleted', { name: avatar.name }));
      navigate(pathTo.home);
    });
  return (
    <div class="button-row">
      <button type="button" class="button quiet small" disabled={busy.value} onClick={publish}>
        <Icon name="globe" size={17} />
        {t(published ? 'avatar.unpublish' : 'avatar.publish')}
      </button>
      <button
        type="button"
        class="button quiet small wrong"
        onClick={() => {
          asking.value = true;
        }}
      >
        <Icon name="trash" size={17} />
        {t('delete')}
      </button>
      {asking.value && (
        <Confirm
          title={t('avatar.deleteTitle', { name: avatar.name })}
          text={t('avatar.deleteText')}
          action={t('delete')}
          busy={busy.value}
          onConfirm={remove}
          onClose={() => {
            asking.value = false;
          }}
        />
      )}
    </div>
  );
}
