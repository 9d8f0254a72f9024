/** (3) Memory of one idle authenticated session: growth of the process by many of them, garbage collected before each reading. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchOptions } from '../options.ts';
import type { ProbeReading } from '../probe.ts';
import { Redis } from '../redis.ts';
import type { Row } from '../report.ts';
import { median } from '../statistics.ts';
import { type Client, type Model, startServer, type Target } from '../targets.ts';

/** As many as asked for, or as the process may open files (each of the two processes has one for each connection). */
const levels = [1_000, Math.min(9_000, maxOpenFiles() - 500)] as const;
/**
 * Opened and closed before the first reading, a few at a time: what a first connection brings for good (code, a grown young
 * generation of the heap) is then there, while pools do not already hold room for what is measured.
 */
const warmUp = { rounds: 50, connections: 20 };

export type MemoryResult = { rows: Row[]; details: Record<string, unknown> };

/** @param own the server as a user starts it; a second one with Redis is started and stopped here. */
export async function measureMemory(
  client: Client,
  model: Model,
  [own, bare]: readonly [Target, Target],
  options: BenchOptions,
): Promise<MemoryResult> {
  const result: MemoryResult = { rows: [], details: {} };
  await measureTarget(client, own, { measure: 'memory per idle session', target: 8, aim: 'aim 4; ' }, result);
  await measureOnRedis(client, model, options, result);
  await measureTarget(client, bare, { measure: `memory per idle socket, ${bare.name}`, aim: '' }, result);
  return result;
}

/** With Redis, a session is counted on all gateways and hears the news of the others. */
async function measureOnRedis(client: Client, model: Model, options: BenchOptions, result: MemoryResult) {
  const measure = 'memory per idle session, on Redis';
  const redis = await Redis.start();
  if (redis === undefined) {
    result.rows.push({ measure, value: Number.NaN, unit: 'KB', note: 'no redis-server here' });
    return;
  }
  try {
    const server = await startServer(model, options, { name: 'tsumugi on Redis', env: { REDIS_URL: redis.url } });
    try {
      await measureTarget(client, server, { measure, target: 8, aim: '' }, result);
    } finally {
      await server.stop();
    }
  } finally {
    await redis.stop();
  }
}

type Asked = { measure: string; target?: number; aim: string };

async function measureTarget(client: Client, target: Target, { aim, measure, ...bound }: Asked, result: MemoryResult) {
  await openAndClose(client, target);
  const empty = await settledMemory(target);
  for (const level of levels) {
    const group = `idle ${target.name} ${level}`;
    const before = level === levels[0] ? 0 : levels[0];
    await client.call({ do: 'open-idle', group, lines: target.idleLines(level).slice(before) });
    const full = await settledMemory(target);
    const perOne = (bytes: number) => bytes / level / 1_024;
    const [rssKb, heapKb] = [perOne(full.rss - empty.rss), perOne(full.heap - empty.heap)];
    result.rows.push({
      measure: `${measure}, ${level}`,
      // What earlier garbage has left to the process is filled first; the heap's own count sees through that.
      value: Math.max(rssKb, heapKb),
      unit: 'KB',
      ...bound,
      note: `${aim}resident ${rssKb.toFixed(2)}, heap ${heapKb.toFixed(2)}`,
    });
    result.details[group] = { empty, full };
  }
  for (const level of levels) await client.call({ do: 'close', group: `idle ${target.name} ${level}` });
}

async function openAndClose(client: Client, target: Target): Promise<void> {
  const group = `warm-up ${target.name}`;
  for (let round = 0; round < warmUp.rounds; round++) {
    await client.call({ do: 'open-idle', group, lines: target.idleLines(warmUp.connections) });
    await client.call({ do: 'close', group });
    // The server lets go of them before the next ones come.
    await delay(20);
  }
}

function maxOpenFiles(): number {
  try {
    return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 10_000);
  } catch {
    return 10_000;
  }
}

/** Bytes once collections no longer change them: the medians of the last readings of up to ten. */
async function settledMemory(target: Target): Promise<{ rss: number; heap: number }> {
  const readings: ProbeReading[] = [];
  for (let round = 0; round < 10; round++) {
    await delay(300);
    readings.push(await target.running.read('collect'));
    const last = readings.slice(-4).map(({ rssBytes }) => rssBytes);
    if (last.length === 4 && Math.max(...last) - Math.min(...last) < 256 * 1_024) break;
  }
  const last = readings.slice(-4);
  return { rss: median(last.map(({ rssBytes }) => rssBytes)), heap: median(last.map(({ heapBytes }) => heapBytes)) };
}
