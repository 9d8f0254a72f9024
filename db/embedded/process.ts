/** Whether a process is the one that was meant: a number alone is given to another process sooner or later. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When the process began, in a unit of the system's own that only serves to compare; undefined when there is none, or when
 * the system does not tell.
 */
export function startTimeOf(pid: number): number | undefined {
  if (process.platform === 'linux') return readStat(pid)?.startTime;
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
    return text === '' ? undefined : Date.parse(text);
  } catch {
    return undefined;
  }
}

/** True when `pid` runs and began at `startTime`. */
export function isAlive(pid: number, startTime: number | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (readStat(pid)?.ended) return false;
  const now = startTimeOf(pid);
  return now === undefined || startTime === undefined || startTime === 0 || now === startTime;
}

/** Its name, cut at 15 characters, and whose child it is. Undefined when there is none, or on a system other than Linux. */
export function familyOf(pid: number): { name: string; parentPid: number } | undefined {
  return readStat(pid);
}

type Stat = { name: string; parentPid: number; startTime: number; ended: boolean };

function readStat(pid: number): Stat | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    // The name in parentheses may hold anything, blanks and parentheses too.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [from, to] = [stat.indexOf('('), stat.lastIndexOf(')')];
    const fields = stat.slice(to + 2).split(' ');
    const [state, parentPid] = fields;
    // A zombie has ended; only nobody has asked how.
    const ended = state === 'Z' || state === 'X';
    return { name: stat.slice(from + 1, to), parentPid: Number(parentPid), startTime: Number(fields[19]), ended };
  } catch {
    return undefined;
  }
}
