/** Texts of the page in the language of the person. Owns which language that is; refuses to translate what people wrote. */
import { effect, signal } from '@preact/signals';
import { errorCodes } from '../../../protocol/error-code.ts';
import { en } from './en.ts';
import { isolate } from './isolate.ts';
import { ja } from './ja.ts';

export type Lang = 'en' | 'ja';
export type TextKey = keyof typeof en;
/** Every language has every text: a missing one does not compile. */
export type Texts = Readonly<Record<TextKey, string>>;

const storageKey = 'tsumugi.lang';
const tables: Readonly<Record<Lang, Texts>> = { en, ja };
export const lang = signal<Lang>('en');

/** Fills `{name}` places of a text. */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => isolate(String(values[name] ?? place)));
}

export const isTextKey = (key: string): key is TextKey => Object.hasOwn(en, key);

/** The text for `key` in the current language. Components that call it follow a switch of the language. */
export function t(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  return fill(tables[lang.value][key], values);
}

/** What an error code says to people. Unknown codes (a newer server) give undefined. */
export function errorCodeText(code: string): string | undefined {
  const known: Readonly<Record<string, { says: string; saysJa: string }>> = errorCodes;
  const entry = Object.hasOwn(known, code) ? known[code] : undefined;
  return lang.value === 'ja' ? entry?.saysJa : entry?.says;
}

/** Takes the language chosen in this browser before, else the browser's, and keeps the root's `lang` attribute true. Call once. */
export function startLanguage(): void {
  const preferred = keptLang() ?? navigator.languages.find((each) => /^(ja|en)/.test(each)) ?? 'en';
  lang.value = preferred.startsWith('ja') ? 'ja' : 'en';
  effect(() => {
    document.documentElement.lang = lang.value;
  });
}

/** The person's own choice: kept in this browser, and stronger than the account's. */
export function chooseLang(next: Lang): void {
  lang.value = next;
  localStorage.setItem(storageKey, next);
}

/** The account's language, for a browser in which none was chosen. */
export function adoptLang(next: Lang): void {
  if (keptLang() === undefined) lang.value = next;
}

const keptLang = (): string | undefined => localStorage.getItem(storageKey) ?? undefined;
