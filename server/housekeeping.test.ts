import { describe, expect, it } from 'vitest';
import { ManualClock } from './clock.ts';
import { startChores } from './housekeeping.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('startChores', () => {
  it('works again and again, goes on behind a failure, and stops when told', async () => {
    const clock = new ManualClock();
    const failures: object[] = [];
    let rounds = 0;
    const work = async () => {
      rounds += 1;
      if (rounds === 1) throw new Error('not now');
    };
    const stop = startChores([{ name: 'sweep', everyMs: 1_000, work }], clock, {
      warn: (facts) => failures.push(facts),
    });
    clock.advance(999);
    expect(rounds).toBe(0);
    clock.advance(1);
    await settle();
    clock.advance(1_000);
    await settle();
    expect(rounds).toBe(2);
    expect(failures).toEqual([expect.objectContaining({ chore: 'sweep' })]);
    stop();
    clock.advance(10_000);
    expect(rounds).toBe(2);
  });
});
