/** Keeps the README's table of settings current: `npm run docs:settings`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from './help.ts';

export const README = new URL('../../README.md', import.meta.url);
export const BEGIN = '<!-- settings -->';
export const END = '<!-- /settings -->';

/** @throws Error when the marks are missing. */
export function withTable(readme: string): string {
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from < 0 || to < from) throw new Error(`README.md lacks the marks ${BEGIN} and ${END}.`);
  return `${readme.slice(0, from + BEGIN.length)}\n${settingsTable()}\n${readme.slice(to)}`;
}

if (import.meta.main) writeFileSync(README, withTable(readFileSync(README, 'utf8')));
