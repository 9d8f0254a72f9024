/** Sign-in and sign-up: one form, errors beside their fields, the thread beside the form. */
import { useSignal } from '@preact/signals';
import type { TargetedEvent } from 'preact';
import { useRef } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { LanguageSwitch } from '../settings/language-switch.tsx';
import { PasswordField, TextField } from '../ui/field.tsx';
import { Icon } from '../ui/icons.tsx';
import { type CredentialErrors, checkCredentials, placeError } from './credentials.ts';
import { Loom } from './loom.tsx';
import { sessionEnded, signIn, signUp } from './store.ts';

export function SignInScreen() {
  const mode = useSignal<'sign-in' | 'sign-up'>('sign-in');
  return (
    <main class="gate">
      <Loom />
      <section class="gate-form">
        <div class="gate-top">
          <LanguageSwitch />
        </div>
        <div class="gate-inner">
          <h1>{t(mode.value === 'sign-in' ? 'signIn.title' : 'signUp.title')}</h1>
          <p class="lead">{t(mode.value === 'sign-in' ? 'signIn.lead' : 'signUp.lead')}</p>
          {sessionEnded.value && (
            <p class="note" role="status">
              {t('signIn.ended')}
            </p>
          )}
          <CredentialForm key={mode.value} mode={mode.value} />
          <p class="gate-switch">
            {t(mode.value === 'sign-in' ? 'signIn.noAccount' : 'signUp.haveAccount')}{' '}
            <button
              type="button"
              class="link"
              onClick={() => {
                mode.value = mode.value === 'sign-in' ? 'sign-up' : 'sign-in';
              }}
            >
              {t(mode.value === 'sign-in' ? 'signUp.action' : 'signIn.action')}
            </button>
          </p>
        </div>
      </section>
    </main>
  );
}

function CredentialForm({ mode }: { mode: 'sign-in' | 'sign-up' }) {
  const form = useRef<HTMLFormElement>(null);
  const email = useSignal('');
  const password = useSignal('');
  const displayName = useSignal('');
  const errors = useSignal<CredentialErrors>({});
  const busy = useSignal(false);

  const typed = { email, password, displayName };
  const change = (field: keyof typeof typed, value: string) => {
    typed[field].value = value;
    // What is being mended is no longer wrong; it is looked at again when it is sent.
    const { [field]: _, ...others } = errors.value;
    errors.value = others;
  };

  const submit = async (event: TargetedEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy.value) return;
    const given = { email: email.value.trim(), password: password.value, displayName: displayName.value.trim() };
    errors.value = checkCredentials(mode, given);
    if (Object.keys(errors.value).length === 0) {
      busy.value = true;
      try {
        if (mode === 'sign-in') await signIn(given.email, given.password);
        else
          await signUp({
            email: given.email,
            password: given.password,
            ...(given.displayName === '' ? {} : { displayName: given.displayName }),
          });
        return;
      } catch (error) {
        errors.value = placeError(error);
      } finally {
        busy.value = false;
      }
    }
    // After the errors are drawn, so that a reader reads the field together with its error.
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
  };

  return (
    <form ref={form} noValidate onSubmit={submit}>
      {errors.value.form !== undefined && (
        <p class="form-error" role="alert">
          <Icon name="alert" size={18} />
          {errors.value.form}
        </p>
      )}
      {mode === 'sign-up' && (
        <TextField
          label={t('field.displayName')}
          hint={t('field.displayNameHint')}
          autocomplete="nickname"
          maxLength={80}
          value={displayName.value}
          error={errors.value.displayName}
          onValue={(value) => change('displayName', value)}
        />
      )}
      <TextField
        label={t('field.email')}
        type="email"
        inputMode="email"
        autocomplete="username"
        value={email.value}
        error={errors.value.email}
        onValue={(value) => change('email', value)}
      />
      <PasswordField
        label={t('field.password')}
        hint={mode === 'sign-up' ? t('field.passwordHint') : undefined}
        autocomplete={mode === 'sign-in' ? 'current-password' : 'new-password'}
        value={password.value}
        error={errors.value.password}
        onValue={(value) => change('password', value)}
      />
      <button type="submit" class="button primary wide" aria-busy={busy.value} disabled={busy.value}>
        {busy.value ? t('working') : t(mode === 'sign-in' ? 'signIn.action' : 'signUp.action')}
      </button>
    </form>
  );
}
