/** Whether a process is the one that was meant: a number alone is given to another process sooner or later. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When the process began, in a unit of the system's own that only serves to compare; undefined when there is none, or when
 * the system does not tell.
 */
export function startTimeOf(pid: number): number | undefined {
  if (process.platform === 'linux') {
    try {
      // The name in parentheses may hold anything, blanks and parentheses too.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    } catch {
      return undefined;
    }
  }
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
  const now = startTimeOf(pid);
  return now === undefined || startTime === undefined || startTime === 0 || now === startTime;
}
