/** How the account is called and where its days begin. */
import { useSignal } from '@preact/signals';
import { useId, useMemo } from 'preact/hooks';
import type { Account } from '../../../protocol/identity.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { TextField } from '../ui/field.tsx';
import { notify } from '../ui/notices.tsx';
import { saveProfile } from './store.ts';

export function ProfileForm({ account }: { account: Account }) {
  const displayName = useSignal(account.displayName);
  const timeZone = useSignal(account.timeZone);
  const failure = useSignal<string | undefined>(undefined);
  const busy = useSignal(false);
  const id = useId();
  const zones = useMemo(
    () => [...new Set([account.timeZone, ...Intl.supportedValuesOf('timeZone')])].sort(),
    [account.timeZone],
  );
  const save = async () => {
    busy.value = true;
    failure.value = undefined;
    try {
      const name = displayName.value.trim();
      await saveProfile({ timeZone: timeZone.value, ...(name === '' ? {} : { displayName: name }) });
      notify(t('saved'));
    } catch (error) {
      failure.value = errorText(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="panel" aria-labelledby="profile-title">
      <h2 id="profile-title">{t('settings.profile')}</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy.value) void save();
        }}
      >
        <p class="field-hint">{t('settings.signedInAs', { email: account.email })}</p>
        <TextField
          label={t('field.displayName')}
          hint={t('field.displayNameHint')}
          maxLength={80}
          autocomplete="nickname"
          value={displayName.value}
          error={failure.value}
          onValue={(value) => {
            displayName.value = value;
          }}
        />
        <div class="field">
          <div class="field-head">
            <label for={id}>{t('settings.timeZone')}</label>
          </div>
          <select
            id={id}
            class="input"
            value={timeZone.value}
            onChange={(event) => {
              timeZone.value = event.currentTarget.value;
            }}
          >
            {zones.map((zone) => (
              <option key={zone} value={zone}>
                {zone.replaceAll('_', ' ')}
              </option>
            ))}
          </select>
        </div>
        <button type="submit" class="button primary" aria-busy={busy.value} disabled={busy.value}>
          {t('save')}
        </button>
      </form>
    </section>
  );
}
