/** Numbers and times as the person reads them. */
import { lang } from './translate.ts';

export const formatNumber = (value: number): string => new Intl.NumberFormat(lang.value).format(value);

/** `12.3K` / `1.2万`: for balances and counts in tight places. */
export const formatCompact = (value: number): string =>
  new Intl.NumberFormat(lang.value, { notation: 'compact', maximumFractionDigits: 1 }).format(value);

export const formatDateTime = (iso: string): string =>
  new Intl.DateTimeFormat(lang.value, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));

export const formatDate = (iso: string): string =>
  new Intl.DateTimeFormat(lang.value, { dateStyle: 'medium' }).format(new Date(iso));

/** `2026-10` as "October 2026". */
export const formatMonth = (month: string): string =>
  new Intl.DateTimeFormat(lang.value, { timeZone: 'UTC', year: 'numeric', month: 'long' }).format(
    new Date(`${month}-01T00:00:00Z`),
  );

/** @param share 0.7 is seventy percent. */
export const formatPercent = (share: number): string =>
  new Intl.NumberFormat(lang.value, { style: 'percent', maximumFractionDigits: 2 }).format(share);

/** @param code ISO 3166-1, two letters */
export const countryName = (code: string): string =>
  new Intl.DisplayNames(lang.value, { type: 'region' }).of(code) ?? code;

export const formatTime = (iso: string): string =>
  new Intl.DateTimeFormat(lang.value, { hour: 'numeric', minute: '2-digit' }).format(new Date(iso));

/** A calendar day in UTC, as the server counts usage. */
export const formatDay = (day: string, style: 'short' | 'long' = 'short'): string =>
  new Intl.DateTimeFormat(lang.value, {
    timeZone: 'UTC',
    month: style === 'short' ? 'numeric' : 'long',
    day: 'numeric',
    ...(style === 'long' ? { weekday: 'long' } : {}),
  }).format(new Date(`${day}T00:00:00Z`));

const steps: readonly (readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** "2 hours ago", "昨日"; older than a week as a date. */
export function formatAgo(iso: string, nowMs: number = Date.now()): string {
  const seconds = Math.round((nowMs - Date.parse(iso)) / 1_000);
  if (seconds > 7 * 86_400) return new Intl.DateTimeFormat(lang.value, { dateStyle: 'medium' }).format(new Date(iso));
  const format = new Intl.RelativeTimeFormat(lang.value, { numeric: 'auto' });
  for (const [unit, size] of steps) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return format.format(0, 'second');
}
