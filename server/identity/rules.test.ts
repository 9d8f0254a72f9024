import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppError } from '../errors.ts';
import { checkDisplayName, checkLocale, checkMail, checkNewPassword, checkTimeZone, cleanUserAgent } from './rules.ts';

test('whatever a client sends, a check gives a value or an error that the client may see', () => {
  const checks: ((text: string) => unknown)[] = [
    checkMail,
    checkDisplayName,
    checkTimeZone,
    checkLocale,
    (text) => checkNewPassword(text, 'a@example.com'),
  ];
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'grapheme' })), (text) => {
      for (const check of checks) {
        try {
          check(text);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect(String((error as AppError).message)).not.toContain(text.length > 12 ? text : '\u0000never');
        }
      }
    }),
  );
});

test('checked names and mails are fixed points: checking again changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.emailAddress(), (name, mail) => {
      try {
        const once = checkDisplayName(name);
        expect(checkDisplayName(once)).toBe(once);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
      }
      const { normal } = checkMail(mail);
      expect(checkMail(normal).normal).toBe(normal);
      expect(checkMail(mail.toUpperCase()).normal).toBe(normal);
    }),
  );
});

test.each([
  '1234567890',
  'Password123!',
  'QWERTYUIOP',
  'ａｂｃｄ１２３４５６',
  'abababababab',
  'some.person@example.com',
  'some.person',
])('a password that everyone tries first is refused: %s', (password) => {
  expect(() => checkNewPassword(password, 'some.person@example.com')).toThrow(AppError);
});

test.each(['correct horse battery', 'あいうえおかきくけこ', '🦊🐙🍵🎏🗻🌸🎐🍙🧶🪡'])(
  'a good password is taken as it is: %s',
  (password) => {
    expect(checkNewPassword(password, 'a@example.com')).toBe(password);
  },
);

test('a user agent is printable and short, or absent', () => {
  expect(cleanUserAgent(undefined)).toBeNull();
  expect(cleanUserAgent('\u0000\n')).toBeNull();
  expect(cleanUserAgent(`curl/8 ${'x'.repeat(500)}`)).toHaveLength(256);
  expect(cleanUserAgent('a\u001b[31mb')).toBe('a[31mb');
});
