/** (4) Token frames for each second that are sustained: streams are added until the pace of the model is not kept any more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchOptions } from '../options.ts';
import type { Row } from '../report.ts';
import { type Client, type Model, type Target, tokensPerSecond } from '../targets.ts';
import { answerMs, closeLoad, measureWindow, openLoad, type Window } from './load.ts';

/** Kept: so much of the text arrives in time, and the server's loop answers within this. */
const keptShare = 0.95;
const keptLoopMs = 100;

type Step = Window & { streams: number; tokensPerSecond: number; kept: boolean };
export type ThroughputResult = { rows: Row[]; problems: string[]; details: Record<string, unknown> };

export async function measureThroughput(
  client: Client,
  model: Model,
  targets: readonly Target[],
  options: BenchOptions,
): Promise<ThroughputResult> {
  const result: ThroughputResult = { rows: [], problems: [], details: {} };
  const best: Record<string, number> = {};
  for (const target of targets) {
    const steps: Step[] = [];
    for (const streams of options.quick ? [600] : [300, 500, 700, 900, 1_100]) {
      const step = await tryStreams(client, model, target, streams, options.windowS / 2, result.problems);
      steps.push(step);
      if (!step.kept) break;
    }
    const last = steps.findLast((step) => step.kept) ?? steps[0];
    if (!last) continue;
    best[target.name] = last.tokensPerSecond;
    result.details[`throughput ${target.name}`] = steps;
    result.rows.push({
      measure: `tokens sustained, ${target.name}`,
      value: last.tokensPerSecond,
      unit: '/s',
      note: `${last.streams} streams, ${Math.round(last.frames / last.seconds)} frames/s, CPU ${Math.round(last.cpuUs / last.seconds / 10_000)} %${steps.at(-1)?.kept ? ', not at its limit' : ''}`,
    });
  }
  return result;
}

async function tryStreams(
  client: Client,
  model: Model,
  target: Target,
  streams: number,
  seconds: number,
  problems: string[],
): Promise<Step> {
  const load = await openLoad(client, target, streams, model);
  await client.call({ do: 'start', group: load.group, staggerMs: answerMs });
  await delay(answerMs + 500);
  const window = await measureWindow(load, seconds);
  problems.push(...(await closeLoad(load)).problems);
  const reached = window.units / model.unitsPerToken / window.seconds;
  const kept = reached >= keptShare * streams * tokensPerSecond && window.loopP99Ms <= keptLoopMs;
  return { ...window, streams, tokensPerSecond: reached, kept };
}
