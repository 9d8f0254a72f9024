import { expect, it } from 'vitest';
import { errorCodes } from '../../../protocol/error-code.ts';
import { en } from './en.ts';
import { ja } from './ja.ts';
import { errorCodeText, fill, lang, type TextKey, t } from './translate.ts';

const keys = Object.keys(en) as TextKey[];
const places = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort();

it('has every text in both languages, with the same places to fill', () => {
  expect(Object.keys(ja).sort()).toEqual([...keys].sort());
  for (const key of keys) {
    expect(ja[key].trim(), key).not.toBe('');
    expect(places(ja[key]), key).toEqual(places(en[key]));
  }
});

it('speaks Japanese in Japanese', () => {
  const same = keys.filter((key) => en[key] === (ja[key] as string));
  expect(same).toEqual(['avatar.topP']);
});

it('follows the language', () => {
  lang.value = 'ja';
  expect(t('chat.versionOf', { at: 2, count: 3 })).toBe('3 案中の 2 番目');
  lang.value = 'en';
  expect(t('chat.versionOf', { at: 2, count: 3 })).toBe('Version 2 of 3');
});

it('fills values literally and leaves unknown places', () => {
  expect(fill('{a} {b}', { a: '$& {b}' })).toBe('$& {b} {b}');
});

it('says every documented error in both languages', () => {
  for (const code of Object.keys(errorCodes)) {
    lang.value = 'en';
    const english = errorCodeText(code);
    lang.value = 'ja';
    const japanese = errorCodeText(code);
    expect(english, code).toBeTruthy();
    expect(japanese, code).toBeTruthy();
    expect(japanese, code).not.toBe(english);
  }
  expect(errorCodeText('__proto__')).toBeUndefined();
  lang.value = 'en';
});
