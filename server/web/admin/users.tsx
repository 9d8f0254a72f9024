/** Accounts as an operator may see them: no mail address in full. */
import { useSignal } from '@preact/signals';
import { formatAgo } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { TextField } from '../ui/field.tsx';
import { LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { connections, searchUsers, signOutUser, users } from './store.ts';
import { tell } from './tell.ts';

export function Users() {
  const email = useSignal('');
  const find = () => (email.value.trim() === '' ? users.load() : searchUsers(email.value.trim()));
  const signOut = async (userId: string) => {
    notify(t('admin.signedOut', { count: await signOutUser(userId) }));
    await connections.load();
  };
  return (
    <LoadedPanel title={t('admin.users')} what={users}>
      {({ users: list }) => (
        <>
          <form
            class="search"
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void find().catch(tell);
            }}
          >
            <TextField
              label={t('admin.findByMail')}
              type="email"
              value={email.value}
              onValue={(value) => {
                email.value = value;
              }}
            />
            <button type="submit" class="button">
              {t('admin.find')}
            </button>
          </form>
          {list.length === 0 && <p>{t('admin.noneFound')}</p>}
          <ul class="rows">
            {list.map((user) => (
              <li key={user.userId} class="row">
                <span class="row-words">
                  <strong>{user.displayName || user.maskedEmail}</strong>
                  <span>
                    {[
                      user.maskedEmail,
                      user.status,
                      ...user.roles,
                      ...(user.lastSignInAt === null
                        ? []
                        : [t('settings.lastSeen', { ago: formatAgo(user.lastSignInAt) })]),
                    ].join(' · ')}
                  </span>
                </span>
                <button
                  type="button"
                  class="button quiet small"
                  aria-label={t('settings.endNamed', { name: user.displayName || user.maskedEmail })}
                  onClick={() => void signOut(user.userId).catch(tell)}
                >
                  {t('settings.end')}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </LoadedPanel>
  );
}
