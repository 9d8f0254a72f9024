/** (2) Time to the first token that the server adds, from pairs of asks made at nearly the same moment under the same load. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from '../client/group.ts';
import type { BenchOptions } from '../options.ts';
import type { Row } from '../report.ts';
import { percentile } from '../statistics.ts';
import type { Client, Model, Target } from '../targets.ts';
import { answerMs, closeLoad, openLoad } from './load.ts';

const levels = [1, 100, 500] as const;
/** The targets hold at 100 streams. */
const targetsMs = { 100: { p50: 2, p99: 10 } } as const;

export type FirstTokenResult = { rows: Row[]; problems: string[]; details: Record<string, unknown> };

export async function measureFirstToken(
  client: Client,
  model: Model,
  target: Target,
  options: BenchOptions,
): Promise<FirstTokenResult> {
  const result: FirstTokenResult = { rows: [], problems: [], details: {} };
  for (const streams of levels) {
    // One stream alone would give a handful of samples with long answers.
    const load = await openLoad(client, target, streams, model, streams === 1 ? 'short' : 'usual');
    await client.call({ do: 'start', group: load.group, staggerMs: streams === 1 ? 0 : answerMs, pairWith: model.url });
    await delay(streams === 1 ? 1_000 : answerMs + 500);
    await client.call({ do: 'forget-pairs', group: load.group });
    await delay(options.windowS * 2_000);
    const { pairs } = await client.call<{ pairs: Pair[] }>({ do: 'count', group: load.group });
    result.problems.push(...(await closeLoad(load)).problems);
    result.rows.push(...firstTokenRows(streams, pairs));
    result.details[`first token, ${streams} streams`] = summary(pairs);
  }
  return result;
}

function firstTokenRows(streams: (typeof levels)[number], pairs: readonly Pair[]): Row[] {
  const added = pairs.map(({ directMs, throughMs }) => throughMs - directMs);
  const target = streams === 100 ? targetsMs[100] : undefined;
  const row = (name: 'p50' | 'p99', p: number): Row => ({
    measure: `added to first token, ${streams} streams, ${name}`,
    value: percentile(added, p),
    unit: 'ms',
    against: 'model directly',
    ...(target ? { target: target[name] } : {}),
    ...(name === 'p99' ? { note: `${pairs.length} pairs` } : {}),
  });
  return [row('p50', 0.5), row('p99', 0.99)];
}

function summary(pairs: readonly Pair[]) {
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
