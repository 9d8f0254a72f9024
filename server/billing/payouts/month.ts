/** Months as people name them (`2026-10`) in a time zone. */

export const MONTH = /^[12]\d{3}-(0[1-9]|1[0-2])$/;

export function monthBefore(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, '0')}`;
}

/** The calendar day at an instant in a time zone. */
export function localDay(atMs: number, timeZone: string): { month: string; day: number } {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const parts = new Map(format.formatToParts(new Date(atMs)).map(({ type, value }) => [type, value]));
  return { month: `${parts.get('year')}-${parts.get('month')}`, day: Number(parts.get('day')) };
}

/**
 * The month that a run is due for: the last one, from `runDay` of this month on, the one before until then. Undefined when the
 * server runs none by itself.
 */
export function dueMonth(nowMs: number, timeZone: string, runDay: number): string | undefined {
  if (runDay === 0) return undefined;
  const { month, day } = localDay(nowMs, timeZone);
  const last = monthBefore(month);
  return day >= runDay ? last : monthBefore(last);
}
