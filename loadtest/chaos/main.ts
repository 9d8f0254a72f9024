/** `npm run chaos`: one bounded run from a seed; prints what it found and exits with 1 when a promise was broken. */
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type ChaosOptions, help, ofSeed, readOptions } from './options.ts';
import { verdicts } from './report.ts';
import { runChaos } from './run.ts';
import { runKill } from './storm/kill.ts';
import { runStorm } from './storm/storm.ts';

/** What is checked, whether or not anything is found. */
const promises = [
  'nothing shown is lost',
  'text is never taken back',
  'no holes on the wire',
  'answers answer their question',
  'messages that were shown are stored',
  'a message never changes',
  'messages form a tree in order',
  'a clientMessageId is one message',
  'the selected branch exists',
  'all devices show what is stored',
  'all devices read along',
  'every answer ends once',
  'an answer ends once',
  'ends are told as they are stored',
  'every answer ends in time',
  'it works again afterwards',
  'every answer is charged once',
  'every entry has its reason',
  'usage is the sum of answers',
  'usage is what the model wrote',
  'balances are sums of entries',
  'each asset sums up to zero',
  'the ledger’s chains hold',
  'no lease is left over',
  'every log has an end',
  'no part ends by itself',
  'frames are readable',
];

// With it end the parts of the run.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const options = readOptions(process.argv.slice(2), () => randomInt(1_000_000_000));
if (options === 'help') console.log(help);
else process.exit(await (options.mode === 'chaos' ? runAll(options) : measure(options)));

function logFolderOf(name: string): string {
  return fileURLToPath(new URL(`../results/${name}`, import.meta.url));
}

async function measure(asked: ChaosOptions): Promise<number> {
  const measured = asked.mode === 'storm' ? runStorm : runKill;
  const { tables, failures } = await measured(asked, logFolderOf(asked.mode), (line) => console.log(line));
  console.log(`\n${tables.join('\n\n')}\n`);
  for (const [failure, alike] of Map.groupBy(failures, (text) => text))
    console.log(`FAIL (${alike.length}): ${failure}`);
  if (failures.length === 0) console.log('all targets are met');
  return failures.length === 0 ? 0 : 1;
}

/** Every seed of the row, also after one that broke a promise. */
async function runAll(asked: ChaosOptions): Promise<number> {
  const broken: number[] = [];
  for (let place = 0; place < asked.runs; place++) {
    const one = ofSeed(asked, place);
    if ((await run(one)) !== 0) broken.push(one.seed);
  }
  if (asked.runs > 1)
    console.log(
      `\n${asked.runs} runs: ${broken.length === 0 ? 'every promise held' : `broken with the seeds ${broken.join(', ')}`}`,
    );
  return broken.length === 0 ? 0 : 1;
}

async function run(asked: ChaosOptions): Promise<number> {
  const logFolder = logFolderOf(`chaos-${asked.seed}`);
  const { seed, seconds, users, gateways, failover } = asked;
  console.log(
    `seed ${seed}: ${seconds} s, ${users} people, ${gateways} gateways, failover ${failover}; logs of the parts in loadtest/results/chaos-${seed}`,
  );
  const { violations, tables } = await runChaos(asked, logFolder, (line) => console.log(line));
  console.log(`\n${tables.join('\n\n')}\n\n${verdicts(promises, violations)}`);
  if (violations.length === 0) {
    console.log(`\nseed ${seed}: every promise holds`);
    return 0;
  }
  console.log(
    `\nseed ${seed}: ${violations.length} violations; again with: npm run chaos -- --seed ${seed} --seconds ${seconds} --users ${users}`,
  );
  return 1;
}
