/** What an account's fields may be. Each check returns the value as it is stored, or throws what the client sees. */
import { normalizeMail } from '../../db/columns/keyed-hash.ts';
import { AppError } from '../errors.ts';

const MIN_PASSWORD = 10;
const MAX_PASSWORD = 256;

/** Passwords of ten characters and more that every list of guesses begins with. Compared without case and repetition. */
const denied = new Set([
  '1234567890',
  '0123456789',
  '0987654321',
  '9876543210',
  '1111111111',
  '0000000000',
  '12345678910',
  '123456789a',
  'a123456789',
  '1q2w3e4r5t',
  '1q2w3e4r5t6y',
  '1qaz2wsx3edc',
  'qwertyuiop',
  'qwerty1234',
  'qwerty12345',
  'qwerty123456',
  'asdfghjkl;',
  'asdfghjkl1',
  'zxcvbnm123',
  'abcdefghij',
  'abcd123456',
  'abc1234567',
  'password12',
  'password123',
  'password1234',
  'passw0rd123',
  'p@ssw0rd123',
  'password1!',
  'password123!',
  'mypassword',
  'iloveyou12',
  'iloveyou123',
  'iloveyou1234',
  'letmein123',
  'letmein1234',
  'welcome123',
  'welcome1234',
  'administrator',
  'admin12345',
  'admin123456',
  'changeme123',
  'changeme1234',
  'football123',
  'baseball123',
  'princess123',
  'sunshine123',
  'superman123',
  'dragon12345',
  'monkey12345',
  'qazwsxedcrfv',
  'q1w2e3r4t5',
  'q1w2e3r4t5y6',
  'tsumugi123',
  'tsumugi1234',
  'sakura1234',
  'doraemon123',
  'pokemon123',
  'nippon1234',
  'japan12345',
  'pasuwaado12',
  'arigatou123',
]);

/** @returns the mail as it is stored (trimmed) and as it is looked up. */
export function checkMail(mail: string): { mail: string; normal: string } {
  const normal = normalizeMail(mail);
  if (normal === undefined) throw AppError.invalid('email', 'a mail address');
  return { mail: mail.trim(), normal };
}

/** @throws AppError `identity.weak_password`. Length counts characters, not bytes; nothing is cut off. */
export function checkNewPassword(password: string, normalMail: string): string {
  const length = [...password].length;
  if (length < MIN_PASSWORD || length > MAX_PASSWORD) {
    throw new AppError('identity.weak_password', { minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD });
  }
  const folded = password.normalize('NFKC').toLowerCase();
  const [local = ''] = normalMail.split('@');
  if (
    denied.has(folded) ||
    new Set(folded).size < 4 ||
    folded === normalMail ||
    (local.length >= 8 && folded === local)
  ) {
    throw new AppError('identity.weak_password', { reason: 'common' });
  }
  return password;
}

/** One line, shown to others: no control or invisible direction characters, at most 80 characters. */
export function checkDisplayName(name: string): string {
  const clean = name.normalize('NFC').trim();
  if ([...clean].length > 80 || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\u200e\u200f]/u.test(clean)) {
    throw AppError.invalid('displayName', 'at most 80 printable characters on one line');
  }
  return clean;
}

/** @returns the zone's name as the time zone database spells it. */
export function checkTimeZone(zone: string): string {
  // Intl also takes offsets such as +09:00; those are no zones (they know no summer time).
  if (/^[A-Za-z]/.test(zone)) {
    try {
      return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
    } catch {
      // Not a zone: said below.
    }
  }
  throw AppError.invalid('timeZone', 'an IANA time zone such as Asia/Tokyo');
}

export function checkLocale(locale: string): 'en' | 'ja' {
  if (locale !== 'en' && locale !== 'ja') throw AppError.invalid('locale', '"en" or "ja"');
  return locale;
}

/** Browsers send what they like; only what a person can recognise is kept. */
export function cleanUserAgent(userAgent: string | undefined): string | null {
  const clean = (userAgent ?? '')
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 256);
  return clean === '' ? null : clean;
}
