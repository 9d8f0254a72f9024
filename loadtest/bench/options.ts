/** What can be asked of a run. */
import { parseArgs } from 'node:util';

export const measureNames = [
  'cpu',
  'first-token',
  'memory',
  'throughput',
  'live-log',
  'holds',
  'ledger',
  'workers',
] as const;
export type MeasureName = (typeof measureNames)[number];

export type BenchOptions = {
  only: readonly MeasureName[];
  quick: boolean;
  /** Length of one measured window, seconds. */
  windowS: number;
  rounds: number;
  codec: 'json' | 'msgpack';
  accounts: number;
  out: string | undefined;
  /** Folder for CPU profiles; it exists. */
  profile: string | undefined;
};

export const help = `npm run bench -- [options]

  --only <names>     ${measureNames.join(', ')} (commas between; all by default)
  --quick            fewer rounds, shorter windows: under two minutes, noisier
  --seconds <n>      length of one measured window (5; 3 with --quick)
  --rounds <n>       rounds over all servers in turn (4; 1 with --quick)
  --codec <name>     subprotocol of the load: json or msgpack (json)
  --out <file>       where the JSON goes (loadtest/results/<time>.json)
  --profile <dir>    writes CPU profiles of the CPU windows there; profiling costs, so ignore the numbers
`;

/** @throws Error that names the option which is wrong. */
export function readOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      codec: { type: 'string', default: 'json' },
      out: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { quick, codec } = values;
  if (codec !== 'json' && codec !== 'msgpack') throw new Error('--codec: json or msgpack');
  return {
    only: values.only === undefined ? measureNames : values.only.split(',').map(checkMeasure),
    quick,
    windowS: checkNumber('--seconds', values.seconds, quick ? 3 : 5),
    rounds: checkNumber('--rounds', values.rounds, quick ? 1 : 4),
    codec,
    // One for each stream of the largest load: two streams of one person would open the same empty conversation.
    accounts: quick ? 600 : 1_100,
    out: values.out,
    profile: values.profile,
  };
}

function checkMeasure(name: string): MeasureName {
  const found = measureNames.find((known) => known === name);
  if (!found) throw new Error(`--only: ${name} is none of ${measureNames.join(', ')}`);
  return found;
}

function checkNumber(option: string, given: string | undefined, usual: number): number {
  const value = given === undefined ? usual : Number(given);
  if (!(value > 0)) throw new Error(`${option}: a number above 0`);
  return value;
}
