/**
 * (2) Time to the first token that the server adds, from pairs of asks made at nearly the same moment under the same load. Its first
 * words are committed before they are shown, so the disk's own time is measured beside it, and the same server with its data in
 * memory, where a flush takes no time.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from '../client/group.ts';
import { DiskProbe } from '../disk.ts';
import type { BenchOptions } from '../options.ts';
import type { Row } from '../report.ts';
import { percentile } from '../statistics.ts';
import { type Client, type Model, startServer, type Target } from '../targets.ts';
import { answerMs, closeLoad, openLoad } from './load.ts';

const levels = [1, 100, 500] as const;
/** Where the targets hold, and where a bare relay is measured, too. */
export const judgedLevel = 100;
const targetsMs = { p50: 2, p99: 10 } as const;
/** A file system in memory, on Linux. */
const memoryFolder = '/dev/shm';

export type FirstTokenResult = { rows: Row[]; problems: string[]; details: Record<string, unknown> };

export async function measureFirstToken(
  client: Client,
  model: Model,
  own: Target,
  bare: readonly Target[],
  options: BenchOptions,
): Promise<FirstTokenResult> {
  const result: FirstTokenResult = { rows: [], problems: [], details: {} };
  for (const streams of options.quick ? levels.slice(0, 2) : levels) {
    for (const target of streams === judgedLevel && !options.quick ? [own, ...bare] : [own]) {
      const judged = streams === judgedLevel && target === own;
      const disk = judged ? DiskProbe.start() : undefined;
      const pairs = await measurePairs(client, model, target, streams, options.windowS * 2, result.problems);
      result.rows.push(...firstTokenRows(`${streams} streams, ${target.name}`, pairs, judged));
      result.details[`first token, ${streams} streams, ${target.name}`] = summary(pairs);
      if (disk !== undefined) result.rows.push(...diskRows(await disk.stop()));
    }
  }
  if (existsSync(memoryFolder)) await measureInMemory(client, model, options, result);
  return result;
}

async function measureInMemory(client: Client, model: Model, options: BenchOptions, result: FirstTokenResult) {
  const name = 'tsumugi, data in memory';
  const server = await startServer(model, options, { name, dataIn: memoryFolder });
  try {
    const pairs = await measurePairs(client, model, server, judgedLevel, options.windowS * 2, result.problems);
    result.rows.push(...firstTokenRows(`${judgedLevel} streams, ${name}`, pairs, false));
    result.details[`first token, ${judgedLevel} streams, ${name}`] = summary(pairs);
  } finally {
    await server.stop();
  }
}

function diskRows(flushesMs: readonly number[]): Row[] {
  return ([0.5, 0.99] as const).map((p) => ({
    measure: `one flush of a page to this disk meanwhile, p${p * 100}`,
    value: percentile(flushesMs, p),
    unit: 'ms',
  }));
}

export async function measurePairs(
  client: Client,
  model: Model,
  target: Target,
  streams: number,
  seconds: number,
  problems: string[],
): Promise<Pair[]> {
  // One stream alone would give a handful of samples with long answers.
  const alone = streams === 1;
  const load = await openLoad(client, target, streams, model, alone ? 'short' : 'usual');
  await client.call({ do: 'start', group: load.group, staggerMs: alone ? 0 : answerMs, pairWith: model.url });
  await delay(alone ? 1_000 : answerMs + 500);
  await client.call({ do: 'forget-pairs', group: load.group });
  await delay(seconds * 1_000);
  const { pairs } = await client.call<{ pairs: Pair[] }>({ do: 'count', group: load.group });
  problems.push(...(await closeLoad(load)).problems);
  return pairs;
}

function firstTokenRows(what: string, pairs: readonly Pair[], judged: boolean): Row[] {
  const added = pairs.map(({ directMs, throughMs }) => throughMs - directMs);
  const row = (name: 'p50' | 'p99', p: number): Row => ({
    measure: `added to first token, ${what}, ${name}`,
    value: percentile(added, p),
    unit: 'ms',
    against: 'model directly',
    ...(judged ? { target: targetsMs[name] } : {}),
    ...(name === 'p99' ? { note: `${pairs.length} pairs` } : {}),
  });
  return [row('p50', 0.5), row('p99', 0.99)];
}

export function summary(pairs: readonly Pair[]) {
  const of = (samples: number[]) => ({
    p50: percentile(samples, 0.5),
    p90: percentile(samples, 0.9),
    p99: percentile(samples, 0.99),
  });
  return {
    pairs: pairs.length,
    direct: of(pairs.map(({ directMs }) => directMs)),
    through: of(pairs.map(({ throughMs }) => throughMs)),
    added: of(pairs.map(({ directMs, throughMs }) => throughMs - directMs)),
  };
}
