/** A new password; every other session ends with it. */
import { useSignal } from '@preact/signals';
import { t } from '../i18n/translate.ts';
import { errorCode, errorText } from '../session/error-text.ts';
import { PasswordField } from '../ui/field.tsx';
import { notify } from '../ui/notices.tsx';
import { changePassword } from './store.ts';

const minPasswordLength = 10;

export function PasswordForm() {
  const current = useSignal('');
  const next = useSignal('');
  const errors = useSignal<{ current?: string; next?: string }>({});
  const busy = useSignal(false);
  const save = async () => {
    errors.value = {
      ...(current.value === '' ? { current: t('field.required') } : {}),
      ...([...next.value].length < minPasswordLength ? { next: t('field.passwordShort') } : {}),
    };
    if (Object.keys(errors.value).length > 0) return;
    busy.value = true;
    try {
      await changePassword(current.value, next.value);
      current.value = '';
      next.value = '';
      notify(t('settings.passwordChanged'));
    } catch (error) {
      const code = errorCode(error);
      if (code === 'identity.weak_password') errors.value = { next: errorText(error) };
      else if (code === 'identity.invalid_credentials') errors.value = { current: t('settings.wrongPassword') };
      else errors.value = { current: errorText(error) };
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="panel" aria-labelledby="password-title">
      <h2 id="password-title">{t('settings.password')}</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy.value) void save();
        }}
      >
        <PasswordField
          label={t('settings.currentPassword')}
          autocomplete="current-password"
          value={current.value}
          error={errors.value.current}
          onValue={(value) => {
            current.value = value;
          }}
        />
        <PasswordField
          label={t('settings.newPassword')}
          hint={t('field.passwordHint')}
          autocomplete="new-password"
          value={next.value}
          error={errors.value.next}
          onValue={(value) => {
            next.value = value;
          }}
        />
        <button type="submit" class="button" aria-busy={busy.value} disabled={busy.value}>
          {t('settings.changePassword')}
        </button>
      </form>
    </section>
  );
}
