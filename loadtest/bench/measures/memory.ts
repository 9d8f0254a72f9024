/** (3) Memory of one idle authenticated session: growth of the process by many of them, garbage collected before each reading. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ProbeReading } from '../probe.ts';
import type { Row } from '../report.ts';
import { median } from '../statistics.ts';
import type { Client, Target } from '../targets.ts';

/** As many as asked for, or as the process may open files (each of the two processes has one for each connection). */
const levels = [1_000, Math.min(9_000, maxOpenFiles() - 500)] as const;
/**
 * Opened and closed before the first reading, a few at a time: what a first connection brings for good (code, a grown young
 * generation of the heap) is then there, while pools do not already hold room for what is measured.
 */
const warmUp = { rounds: 50, connections: 20 };

/** Kilobytes for each connection. */
type Growth = { rssKb: number; heapKb: number };
export type MemoryResult = { rows: Row[]; details: Record<string, unknown> };

export async function measureMemory(client: Client, own: Target, bare: Target): Promise<MemoryResult> {
  const rows: Row[] = [];
  const details: Record<string, unknown> = {};
  const growths: Record<string, Growth[]> = {};
  for (const target of [own, bare]) {
    await openAndClose(client, target);
    const empty = await settledMemory(target);
    const found: Growth[] = [];
    growths[target.name] = found;
    for (const level of levels) {
      const group = `idle ${target.name} ${level}`;
      const before = level === levels[0] ? 0 : levels[0];
      await client.call({ do: 'open-idle', group, lines: target.idleLines(level).slice(before) });
      const full = await settledMemory(target);
      const perOne = (bytes: number) => bytes / level / 1_024;
      found.push({ rssKb: perOne(full.rss - empty.rss), heapKb: perOne(full.heap - empty.heap) });
      details[`idle ${target.name} ${level}`] = { empty, full };
    }
    for (const level of levels) await client.call({ do: 'close', group: `idle ${target.name} ${level}` });
  }
  levels.forEach((level, place) => {
    const row = (measure: string, { rssKb, heapKb }: Growth): Row => ({
      measure: `${measure}, ${level}`,
      // What earlier garbage has left to the process is filled first; the heap's own count sees through that.
      value: Math.max(rssKb, heapKb),
      unit: 'KB',
      note: `resident ${rssKb.toFixed(2)}, heap ${heapKb.toFixed(2)}`,
    });
    const unknown = { rssKb: Number.NaN, heapKb: Number.NaN };
    const session = row('memory per idle session', growths[own.name]?.[place] ?? unknown);
    rows.push({ ...session, target: 8, note: `aim 4; ${session.note}` });
    rows.push(row(`memory per idle socket, ${bare.name}`, growths[bare.name]?.[place] ?? unknown));
  });
  return { rows, details };
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
