import { expect, test } from 'vitest';
import { EntryIds } from './entry-ids.ts';

test('are in order, also within a millisecond and when the clock is set back', () => {
  const ids = new EntryIds();
  const times = [...Array(10_000).fill(1_000), 2_000, 1_500, 1_500, 2_001];
  const made = times.map((ms) => ids.next(ms));
  expect(made.toSorted()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
