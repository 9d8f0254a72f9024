/** (3) Memory of one idle authenticated session: growth of the process by many of them, garbage collected before each reading. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
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

export type MemoryResult = { rows: Row[]; details: Record<string, unknown> };

export async function measureMemory(client: Client, own: Target, bare: Target): Promise<MemoryResult> {
  const rows: Row[] = [];
  const details: Record<string, unknown> = {};
  const kilobytes: Record<string, number[]> = {};
  for (const target of [own, bare]) {
    await openAndClose(client, target);
    const empty = await settledRss(target);
    kilobytes[target.name] = [];
    for (const level of levels) {
      const group = `idle ${target.name} ${level}`;
      const before = level === levels[0] ? 0 : levels[0];
      await client.call({ do: 'open-idle', group, lines: target.idleLines(level).slice(before) });
      const rss = await settledRss(target);
      kilobytes[target.name]?.push((rss - empty) / level / 1_024);
      details[`idle ${target.name} ${level}`] = { emptyRss: empty, rss };
    }
    for (const level of levels) await client.call({ do: 'close', group: `idle ${target.name} ${level}` });
  }
  levels.forEach((level, place) => {
    const value = kilobytes[own.name]?.[place] ?? Number.NaN;
    const other = kilobytes[bare.name]?.[place] ?? Number.NaN;
    rows.push({ measure: `memory per idle session, ${level}`, value, unit: 'KB', target: 8, note: 'aim 4' });
    rows.push({ measure: `memory per idle socket, ${level}, ${bare.name}`, value: other, unit: 'KB' });
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

/** Resident bytes once collections no longer change them: the median of the last readings of up to ten. */
async function settledRss(target: Target): Promise<number> {
  const readings: number[] = [];
  for (let round = 0; round < 10; round++) {
    await delay(300);
    readings.push((await target.running.read('collect')).rssBytes);
    const last = readings.slice(-4);
    if (last.length === 4 && Math.max(...last) - Math.min(...last) < 256 * 1_024) break;
  }
  return median(readings.slice(-4));
}
