/** A PostgreSQL that outlived its server (kill -9): found by its own pid file and stopped, so that a new one can take the folder. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const pollMs = 20;

/**
 * Makes sure that no process works in `folder`, and that a pid file left there does not stop the next start. The caller holds
 * the lock of the folder: no living server owns what is found.
 * @throws Error when it can not be stopped.
 */
export async function stopOrphan(folder: string, log: (line: string) => void): Promise<void> {
  const pidFile = join(folder, 'postmaster.pid');
  const pid = readPid(pidFile);
  if (pid === undefined) return;
  if (isPostmasterOf(pid, folder)) {
    log(`stopping the PostgreSQL that an earlier server left behind (pid ${pid})`);
    signal(pid, 'SIGINT', folder);
    if (!(await gone(() => isPostmasterOf(pid, folder), 15_000))) {
      signal(pid, 'SIGQUIT', folder);
      if (!(await gone(() => isPostmasterOf(pid, folder), 5_000)))
        throw new Error(`PostgreSQL (pid ${pid}) in ${folder} does not stop.`);
    }
  }
  // Its children end by themselves when the postmaster is gone; until then they may write.
  if (!(await gone(() => workersIn(folder).length > 0, 10_000))) {
    throw new Error(`Processes of an earlier PostgreSQL still work in ${folder}: ${workersIn(folder).join(', ')}.`);
  }
  rmSync(pidFile, { force: true });
}

function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    return pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals, folder: string): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM')
      throw new Error(`PostgreSQL (pid ${pid}) of another user runs in ${folder}. Stop it, or start as that user.`);
    if (code !== 'ESRCH') throw error;
  }
}

function isPostmasterOf(pid: number, folder: string): boolean {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).includes(
        folder,
      );
    }
    // A zombie has no command line any more.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(folder);
  } catch {
    return false;
  }
}

/** Every process of PostgreSQL has its folder as working directory. Empty where the system does not tell. */
function workersIn(folder: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`) === folder &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('postgres')
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Not our child, so there is no event to wait for. */
async function gone(present: () => boolean, timeoutMs: number): Promise<boolean> {
  for (let leftMs = timeoutMs; present(); leftMs -= pollMs) {
    if (leftMs <= 0) return false;
    await wait(pollMs);
  }
  return true;
}
