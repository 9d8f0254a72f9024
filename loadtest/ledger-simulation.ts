/**
 * Longer runs of the ledger's seeded simulator, over a PostgreSQL of their own:
 * `node loadtest/ledger-simulation.ts [--seed <n>] [--steps <n>] [--rounds <n>]`. A difference names seed and step; the same seed tells it again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { Database } from '../db/client.ts';
import { startEmbeddedPostgres } from '../db/embedded/embedded-postgres.ts';
import { prepareAppLogin } from '../db/login.ts';
import { migrate } from '../db/migrate.ts';
import { Simulation } from '../server/billing/simulator/simulation.ts';
import { WorkerPool } from '../workers/pool.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    steps: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '1' },
  },
});
const dataDir = mkdtempSync(join(tmpdir(), 'tsumugi-simulation-'));
const cluster = await startEmbeddedPostgres({ dataDir, log: () => {} });
const pool = new WorkerPool({ threads: 1, maxQueue: 100 });
const owner = postgres(cluster.ownerUrl, { max: 1, onnotice: () => {} });
try {
  await migrate(cluster.ownerUrl);
  const db = new Database(await prepareAppLogin(cluster.ownerUrl, 'only-for-this-simulation'));
  for (let round = 0; round < Number(values.rounds); round++) {
    const seed = Number(values.seed) + round;
    try {
      const done = await new Simulation({ db, owner, runner: pool }, seed).run(Number(values.steps));
      console.log(`seed ${seed}: as expected. ${[...done].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
    } catch (error) {
      console.log(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
      break;
    }
  }
  await db.close();
} finally {
  await owner.end();
  await pool.close();
  await cluster.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
