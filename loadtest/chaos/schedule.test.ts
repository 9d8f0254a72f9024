import { expect, test } from 'vitest';
import { Random } from './random.ts';
import { faultNames, makeSchedule } from './schedule.ts';

const long = { seed: 7, durationMs: 600_000, gateways: 2 };

test('the same seed breaks the same things at the same times, another one does not', () => {
  expect(makeSchedule(long)).toEqual(makeSchedule(long));
  expect(makeSchedule({ ...long, seed: 8 })).not.toEqual(makeSchedule(long));
});

test.each([1, 2, 3, 4, 5])(
  'seed %i: every fault comes before one is repeated, one at a time, and the end is quiet',
  (seed) => {
    const events = makeSchedule({ ...long, seed });
    expect(new Set(events.slice(0, faultNames.length).map(({ fault }) => fault))).toEqual(new Set(faultNames));
    for (const [index, { atMs, downMs, gateway }] of events.entries()) {
      expect(atMs).toBeGreaterThanOrEqual(3_000);
      expect(events[index + 1]?.atMs ?? long.durationMs).toBeGreaterThanOrEqual(atMs + downMs + 3_000);
      expect([0, 1]).toContain(gateway);
    }
  },
);

test('only what is asked for is broken', () => {
  const events = makeSchedule({ ...long, only: ['redis-loss'] });
  expect(events.length).toBeGreaterThan(20);
  expect(new Set(events.map(({ fault }) => fault))).toEqual(new Set(['redis-loss']));
});

test('what one part draws does not shift what another one gets', () => {
  const [one, other] = [new Random(3), new Random(3)];
  const fork = one.fork('people');
  for (let draw = 0; draw < 10; draw++) fork.next();
  expect(one.fork('faults').next()).toBe(other.fork('faults').next());
  expect(one.fork('faults').next()).not.toBe(one.fork('people').next());
});
