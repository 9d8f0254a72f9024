/**
 * `node loadtest/billing/main.ts`: the seeded simulator of billing, for as long as one likes. Each seed has a database of its own.
 * Exits with 1 when what is stored was not what the oracle says; the failure names the seed, the step and what was done.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { cloneDatabase } from '../../db/testing/clone.ts';
import { startTestCluster } from '../../db/testing/cluster.ts';
import { SimulationFailure, simulate } from '../../server/billing/simulator/testing/simulate.ts';
import { WorkerPool } from '../../workers/pool.ts';

const help = `node loadtest/billing/main.ts [options]

  --seed <n>    of everything that is chosen by chance; a new one by default, always printed
  --steps <n>   of each seed (400)
  --runs <n>    so many seeds, one after the other (10)
`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    steps: { type: 'string', default: '400' },
    runs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(help);
else process.exit(await runAll());

async function runAll(): Promise<number> {
  const first = values.seed === undefined ? randomInt(1_000_000_000) : wholeNumber('--seed', values.seed, 0);
  const steps = wholeNumber('--steps', values.steps, 1);
  // A seed that is named is most likely one to be seen again.
  const runs = wholeNumber('--runs', values.runs ?? (values.seed === undefined ? '10' : '1'), 1);
  const cluster = await startTestCluster();
  const runner = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  const broken: number[] = [];
  try {
    for (let seed = first; seed < first + runs; seed++) {
      const { url, ownerUrl, close } = await cloneDatabase(cluster);
      try {
        const startedAt = performance.now();
        const { entries, gateways } = await simulate({ url, ownerUrl, runner, seed, steps });
        const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
        console.log(
          `seed ${seed}: ${steps} steps, ${entries} entries, ${gateways} gateways, ${seconds} s: as it must be`,
        );
      } catch (error) {
        if (!(error instanceof SimulationFailure)) throw error;
        console.log(error.message);
        broken.push(seed);
      } finally {
        await close();
      }
    }
  } finally {
    await runner.close();
    await cluster.stop();
  }
  if (broken.length > 0) console.log(`\nbroken with the seeds ${broken.join(', ')}`);
  return broken.length === 0 ? 0 : 1;
}

function wholeNumber(option: string, given: string, least: number): number {
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`${option}: a whole number of at least ${least}`);
  return value;
}
