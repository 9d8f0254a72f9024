/** What can be asked of a run. */
import { parseArgs } from 'node:util';
import { type FaultName, faultNames, faultSays } from './schedule.ts';

export type ChaosOptions = {
  mode: 'chaos' | 'storm' | 'kill';
  /** Runs in a row, each with the next seed. */
  runs: number;
  seed: number;
  /** Length of the part in which things break, seconds. */
  seconds: number;
  users: number;
  devicesPerUser: number;
  gateways: number;
  /** What becomes of answers whose gateway died; by the seed unless it is said. */
  failover: 'interrupt' | 'continue';
  failoverBySeed: boolean;
  only: readonly FaultName[];
  /** Of the storm: clients that are cut, and streams whose resume is timed. */
  clients: number;
  streams: number;
  tokensPerSecond: number;
};

export const help = `npm run chaos -- [options]

  --seconds <n>       length of the part in which things break (120)
  --seed <n>          of everything that is chosen by chance; a new one by default, always printed
  --runs <n>          so many runs in a row, each with the next seed (1)
  --users <n>         people who talk all the time (16)
  --devices <n>       devices of each (3)
  --gateways <n>      gateways (2)
  --failover <how>    interrupt or continue: what becomes of answers whose gateway died; the seed decides by default
  --pace <n>          tokens per second of each answer (40; 4 in a storm or a kill)
  --only <names>      these faults only (commas between):
${faultNames.map((name) => `                        ${name.padEnd(18)} ${faultSays[name]}`).join('\n')}
  --storm             measures instead: resume at many streams, and everybody cut at once
  --kill              measures instead: kill -9 of a gateway that writes all answers
  --clients <n>       of a storm: clients that are cut (2000)
  --streams <n>       of a storm: streams whose resume is timed; of a kill: answers that run (500)
`;

/** @throws Error that names the option which is wrong. */
export function readOptions(args: readonly string[], newSeed: () => number): ChaosOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '120' },
      seed: { type: 'string' },
      users: { type: 'string', default: '16' },
      devices: { type: 'string', default: '3' },
      gateways: { type: 'string', default: '2' },
      failover: { type: 'string' },
      pace: { type: 'string' },
      only: { type: 'string' },
      runs: { type: 'string', default: '1' },
      kill: { type: 'boolean', default: false },
      storm: { type: 'boolean', default: false },
      clients: { type: 'string', default: '2000' },
      streams: { type: 'string', default: '500' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const seed = values.seed === undefined ? newSeed() : wholeNumber('--seed', values.seed, 0);
  if (values.failover !== undefined && values.failover !== 'interrupt' && values.failover !== 'continue')
    throw new Error('--failover: interrupt or continue');
  if (values.storm && values.kill) throw new Error('--kill: not together with --storm');
  const mode = values.storm ? 'storm' : values.kill ? 'kill' : 'chaos';
  return {
    mode,
    seed,
    runs: wholeNumber('--runs', values.runs, 1),
    failover: values.failover ?? failoverOf(seed),
    failoverBySeed: values.failover === undefined,
    seconds: wholeNumber('--seconds', values.seconds, 5),
    users: wholeNumber('--users', values.users, 1),
    devicesPerUser: wholeNumber('--devices', values.devices, 1),
    gateways: wholeNumber('--gateways', values.gateways, 1),
    only: values.only === undefined ? faultNames : values.only.split(',').map(checkFault),
    clients: wholeNumber('--clients', values.clients, 1),
    streams: wholeNumber('--streams', values.streams, 1),
    // Of the storm it is slow, so that the one process which plays all clients is not what is measured.
    tokensPerSecond: wholeNumber('--pace', values.pace ?? (mode === 'chaos' ? '40' : '4'), 1),
  };
}

/** The same run, of the seed that comes `place` places later. */
export function ofSeed(options: ChaosOptions, place: number): ChaosOptions {
  const seed = options.seed + place;
  return { ...options, seed, failover: options.failoverBySeed ? failoverOf(seed) : options.failover };
}

const failoverOf = (seed: number): ChaosOptions['failover'] => (seed % 2 === 0 ? 'interrupt' : 'continue');

function checkFault(name: string): FaultName {
  const found = faultNames.find((known) => known === name);
  if (found === undefined) throw new Error(`--only: ${name} is none of ${faultNames.join(', ')}`);
  return found;
}

function wholeNumber(option: string, given: string, least: number): number {
  const value = Number(given);
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`${option}: a whole number of at least ${least}`);
  return value;
}
