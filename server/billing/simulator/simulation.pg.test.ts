/** A short run of the seeded simulator; `node loadtest/ledger-simulation.ts` runs longer ones. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { Simulation } from './simulation.ts';

let test_: TestDatabase;
let owner: postgres.Sql;
let pool: WorkerPool;
beforeAll(async () => {
  test_ = await createTestDatabase();
  owner = postgres(test_.ownerUrl, { max: 1, onnotice: () => {} });
  pool = new WorkerPool({ threads: 1, maxQueue: 100 });
});
afterAll(async () => {
  await pool.close();
  await owner.end();
  await test_.close();
});

test.each([1, 20260, 777])(
  'seed %i: what is stored is what the oracle says after each step',
  { timeout: 120_000 },
  async (seed) => {
    const done = await new Simulation({ db: test_.database, owner, runner: pool }, seed).run(120);
    expect([...done.values()].reduce((sum, count) => sum + count, 0)).toBe(120);
    expect(done.size).toBe(9);
  },
);
