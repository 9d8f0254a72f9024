/** (1) CPU of the server for each token that reached the client, at a fixed load, all targets in turn. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchOptions } from '../options.ts';
import type { Row } from '../report.ts';
import { median } from '../statistics.ts';
import { type Client, type Model, type Target, tokensPerSecond } from '../targets.ts';
import { answerMs, closeLoad, measureWindow, openLoad, type Window } from './load.ts';

export const cpuStreams = 300;

export type CpuResult = { rows: Row[]; problems: string[]; details: Record<string, Window[]> };

export async function measureCpu(
  client: Client,
  model: Model,
  targets: readonly Target[],
  options: BenchOptions,
): Promise<CpuResult> {
  const { problems, details } = await measureCpuWindows(client, model, targets, options);
  return { rows: cpuRows(details, model.unitsPerToken), problems, details };
}

/** The windows of each target by its name, and what went wrong. */
export async function measureCpuWindows(
  client: Client,
  model: Model,
  targets: readonly Target[],
  options: BenchOptions,
): Promise<Omit<CpuResult, 'rows'>> {
  const details: Record<string, Window[]> = Object.fromEntries(targets.map(({ name }) => [name, []]));
  const problems: string[] = [];
  for (let round = 0; round < options.rounds; round++) {
    // In turn, and every other round backwards, so that a drift of the machine falls on all of them.
    for (const target of round % 2 ? [...targets].reverse() : targets) {
      const load = await openLoad(client, target, cpuStreams, model);
      await client.call({ do: 'start', group: load.group, staggerMs: answerMs });
      await delay(answerMs + 500);
      details[target.name]?.push(await measureWindow(load, options.windowS, options.profile));
      problems.push(...(await closeLoad(load)).problems);
    }
  }
  return { problems, details };
}

/** The first name is the server under test, the others are what it is compared with. */
function cpuRows(details: Record<string, Window[]>, unitsPerToken: number): Row[] {
  const perToken = (window: Window, cpuUs: number) => cpuUs / (window.units / unitsPerToken);
  const costs = (name: string) => (details[name] ?? []).map((window) => perToken(window, window.cpuUs));
  const [own, ...others] = Object.keys(details);
  if (own === undefined) return [];
  const asked = cpuStreams * tokensPerSecond;
  const reached = (name: string) =>
    median((details[name] ?? []).map((window) => window.units / unitsPerToken / window.seconds)) / asked;
  const rows: Row[] = Object.keys(details).map((name) => ({
    measure: `CPU per token, ${name}`,
    value: median(costs(name)),
    unit: 'µs',
    note: `${Math.round(reached(name) * 100)} % of ${asked.toLocaleString('en-US')} tokens/s delivered`,
  }));
  if (details[own]?.some((window) => window.childrenCpuUs > 0)) {
    const value = median((details[own] ?? []).map((window) => perToken(window, window.childrenCpuUs)));
    rows.push({ measure: 'CPU per token, embedded PostgreSQL', value, unit: 'µs', note: 'beside the server process' });
  }
  for (const other of others) {
    rows.push({
      measure: 'CPU per token, ratio',
      value: medianRatio(costs(own), costs(other)),
      unit: '×',
      against: `bare ${other}`,
      ...(other === 'socket.io' ? { target: 1, note: 'aim 0.5' } : {}),
    });
  }
  return rows;
}

/** Of the ratios of each round: what was measured minutes apart, at another load of the machine, is not divided by each other. */
export function medianRatio(own: readonly number[], others: readonly number[]): number {
  return median(own.flatMap((cost, round) => cost / (others[round] ?? Number.NaN)));
}
