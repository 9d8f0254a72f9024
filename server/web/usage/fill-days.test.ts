import { expect, it } from 'vitest';
import { fillDays } from './fill-days.ts';

it('puts in the days that the server leaves out', () => {
  const used = { day: '2026-02-28', tokensIn: 5, tokensOut: 7, conversations: 1 };
  const days = fillDays([used], '2026-03-01', 3);
  expect(days.map((day) => day.day)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
  expect(days[1]).toBe(used);
  expect(days[2]).toEqual({ day: '2026-03-01', tokensIn: 0, tokensOut: 0, conversations: 0 });
});
