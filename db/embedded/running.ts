/** Finds the embedded PostgreSQL of a server that runs right now, for commands that work beside it. Starts nothing. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterUrl } from './cluster.ts';
import { isAlive } from './process.ts';

/** @returns the superuser's URL; undefined when no PostgreSQL runs in this data folder. */
export function findRunningPostgres(dataDir: string): string | undefined {
  const pidFile = join(dataDir, 'postgres', 'postmaster.pid');
  const passwordFile = join(dataDir, 'postgres-password');
  if (!existsSync(pidFile) || !existsSync(passwordFile)) return undefined;
  // Lines: pid, data folder, start time, port, ….
  const [pid, , , port] = readFileSync(pidFile, 'utf8')
    .split('\n')
    .map((line) => line.trim());
  if (!isAlive(Number(pid), undefined) || !/^\d+$/.test(port ?? '')) return undefined;
  return clusterUrl(Number(port), readFileSync(passwordFile, 'utf8').trim(), 'tsumugi');
}
