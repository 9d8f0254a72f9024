/** What can be told about a mail address and a password before asking the server, and where its refusal belongs. */
import { t } from '../i18n/translate.ts';
import { errorCode, errorField, errorText } from './error-text.ts';

export type CredentialErrors = { email?: string; password?: string; displayName?: string; form?: string };

/** The same limits as the schema's; the server checks again. */
const minPasswordLength = 10;

export function checkCredentials(
  mode: 'sign-in' | 'sign-up',
  given: { email: string; password: string },
): CredentialErrors {
  const errors: CredentialErrors = {};
  if (!/^[^\s@]+@[^\s@]+$/.test(given.email))
    errors.email = t(given.email === '' ? 'field.required' : 'field.emailWrong');
  if (given.password === '') errors.password = t('field.required');
  else if (mode === 'sign-up' && [...given.password].length < minPasswordLength)
    errors.password = t('field.passwordShort');
  return errors;
}

export function placeError(error: unknown): CredentialErrors {
  const text = errorText(error);
  const code = errorCode(error);
  const field = errorField(error);
  if (code === 'identity.weak_password') return { password: text };
  if (code === 'identity.email_taken') return { email: text };
  if (code === 'protocol.invalid_body' && (field === 'email' || field === 'password' || field === 'displayName'))
    return { [field]: text };
  return { form: text };
}
