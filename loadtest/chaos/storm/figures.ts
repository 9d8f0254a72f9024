/** What the measurements of storms have in common: how they wait, and how they print times. */
import { percentile } from '../../bench/statistics.ts';

export type StormOutcome = { tables: string[]; failures: string[] };

const patienceMs = 60_000;

/** @throws Error that names what did not come. */
export async function within<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${patienceMs} ms`)), patienceMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

export function spread(samples: readonly number[]): string {
  const at = (share: number) => percentile(samples, share).toFixed(1);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`;
}
