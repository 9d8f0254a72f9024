/** The seeded simulator in short; `node loadtest/billing/main.ts` runs it for longer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../db/testing/postgres.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { simulate } from './testing/simulate.ts';

let pool: WorkerPool;
beforeAll(() => {
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
});
afterAll(() => pool.close());

test.each([2, 3, 4])(
  '000-R13, 000-R29: seed %i: after each step, what is stored is what the oracle says',
  async (seed) => {
    const { url, ownerUrl, close } = await createTestDatabase();
    try {
      const { entries, steps } = await simulate({ url, ownerUrl, runner: pool, seed, steps: 35 });
      expect(steps).toBe(35);
      expect(entries).toBeGreaterThan(5);
    } finally {
      await close();
    }
  },
  60_000,
);
