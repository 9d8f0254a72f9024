/** Where the processor time of a measurement went, by part of the run. Linux only: elsewhere nothing is told. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Stack } from '../parts/stack.ts';
import { table } from '../report.ts';

type Usage = ReadonlyMap<string, number>;

/** Of `/proc`: a hundredth of a second, whatever the kernel counts in. */
const TICKS_PER_S = 100;

/** Processor time of each part so far, milliseconds. */
export function readUsage(stack: Stack): Usage {
  const nameOf = new Map<number | undefined, string>([
    [process.pid, 'all clients (this process)'],
    [stack.redis.pid, 'redis'],
    [stack.model.pid, 'model server'],
    [stack.postgres.pid, 'postgres'],
    ...stack.gateways.map(({ pid, name }) => [pid, name] as const),
  ]);
  const usage = new Map<string, number>();
  for (const { pid, parent, cpuMs } of processes()) {
    const name = nameOf.get(pid) ?? (parent === stack.postgres.pid ? 'postgres' : undefined);
    if (name !== undefined) usage.set(name, (usage.get(name) ?? 0) + cpuMs);
  }
  return usage;
}

export function usageTable(title: string, before: Usage, after: Usage, wallMs: number): string {
  const rows = [...after].map(([name, ms]) => {
    const used = ms - (before.get(name) ?? 0);
    return [name, `${used.toFixed(0)} ms, ${((used / wallMs) * 100).toFixed(0)} % of a core`] as const;
  });
  return table(title, rows);
}

function processes(): { pid: number; parent: number; cpuMs: number }[] {
  try {
    return readdirSync('/proc').flatMap((entry) => (/^\d+$/.test(entry) ? readStat(Number(entry)) : []));
  } catch {
    return [];
  }
}

function readStat(pid: number): { pid: number; parent: number; cpuMs: number }[] {
  try {
    // Behind the name, which may contain anything: state, parent, and 9 more; then user and system time.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
      .map(Number);
    const [parent = 0, user = 0, system = 0] = [fields[1], fields[11], fields[12]];
    return [{ pid, parent, cpuMs: ((user + system) * 1000) / TICKS_PER_S }];
  } catch {
    return []; // It has just ended.
  }
}
