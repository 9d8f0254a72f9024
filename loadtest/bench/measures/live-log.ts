/**
 * (5) What the live log adds to the server's CPU for each token: the same server with and without it, in turn, on PostgreSQL and
 * on Redis. Without it text is sent at once and kept nowhere, so the difference is all that the log costs: the queries, the
 * waiting streams, the removal after the end.
 */
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from '../options.ts';
import { Redis } from '../redis.ts';
import type { Row } from '../report.ts';
import { median } from '../statistics.ts';
import { type Client, type Model, startServer, type Target } from '../targets.ts';
import { type CpuResult, measureCpuWindows, medianRatio } from './cpu.ts';
import type { Window } from './load.ts';

const TARGET = 1.3;
const preload = ['--import', fileURLToPath(new URL('../without-live-log.ts', import.meta.url))];

export async function measureLiveLog(client: Client, model: Model, options: BenchOptions): Promise<CpuResult> {
  const result: CpuResult = { rows: [], problems: [], details: {} };
  const redis = await Redis.start();
  try {
    await measureStore('PostgreSQL', {}, { client, model, options, result });
    if (redis === undefined) result.rows.push(missing);
    else await measureStore('Redis', { REDIS_URL: redis.url }, { client, model, options, result });
  } finally {
    await redis?.stop();
  }
  return result;
}

type Run = { client: Client; model: Model; options: BenchOptions; result: CpuResult };

const missing: Row = { measure: 'live log on Redis', value: Number.NaN, unit: '×', note: 'no redis-server here' };

async function measureStore(store: string, env: Record<string, string>, run: Run): Promise<void> {
  const { client, model, options, result } = run;
  const stops: (() => Promise<void>)[] = [];
  const start = async (name: string, args: readonly string[]): Promise<Target> => {
    const server = await startServer(model, options, { name, env, args });
    stops.unshift(() => server.stop());
    return server;
  };
  const [kept, unkept] = [`tsumugi, log on ${store}`, `tsumugi, no log (${store})`];
  try {
    const targets = [await start(kept, []), await start(unkept, preload)];
    const { details, problems } = await measureCpuWindows(client, model, targets, options);
    Object.assign(result.details, details);
    result.problems.push(...problems);
    result.rows.push(...rowsOf(store, model, details[kept] ?? [], details[unkept] ?? []));
  } finally {
    for (const stop of stops) await stop();
  }
}

function rowsOf(store: string, model: Model, kept: readonly Window[], unkept: readonly Window[]): Row[] {
  const perToken = ({ units }: Window, cpuUs: number) => cpuUs / (units / model.unitsPerToken);
  const own = (windows: readonly Window[]) => windows.map((window) => perToken(window, window.cpuUs));
  const all = (windows: readonly Window[]) =>
    windows.map((window) => perToken(window, window.cpuUs + window.childrenCpuUs));
  const micros = (windows: readonly Window[]) => median(own(windows)).toFixed(1);
  const ratio: Row = {
    measure: `CPU per token with the live log, ${store}`,
    value: medianRatio(own(kept), own(unkept)),
    unit: '×',
    against: 'without the log',
    target: TARGET,
    note: `${micros(kept)} µs against ${micros(unkept)} µs`,
  };
  if (!kept.some(({ childrenCpuUs }) => childrenCpuUs > 0)) return [ratio];
  const withDatabase: Row = {
    measure: 'same, embedded PostgreSQL included',
    value: medianRatio(all(kept), all(unkept)),
    unit: '×',
    against: 'without the log',
  };
  return [ratio, withDatabase];
}
