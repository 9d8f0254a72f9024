import { expect, test } from 'vitest';
import { dueMonth, localDay, monthBefore } from './month.ts';

test('the month before', () => {
  expect(['2026-02', '2026-01', '2026-12'].map(monthBefore)).toEqual(['2026-01', '2025-12', '2026-11']);
});

test('the day is the one of the time zone', () => {
  const at = Date.parse('2026-03-31T15:30:00Z');
  expect(localDay(at, 'Asia/Tokyo')).toEqual({ month: '2026-04', day: 1 });
  expect(localDay(at, 'America/New_York')).toEqual({ month: '2026-03', day: 31 });
});

test.each([
  ['2026-04-04T14:59:59Z', '2026-02'],
  ['2026-04-04T15:00:00Z', '2026-03'],
  ['2026-01-31T00:00:00Z', '2025-12'],
])('at %s the month %s is due on the fifth of Tokyo', (at, month) => {
  expect(dueMonth(Date.parse(at), 'Asia/Tokyo', 5)).toBe(month);
  expect(dueMonth(Date.parse(at), 'Asia/Tokyo', 0)).toBeUndefined();
});
