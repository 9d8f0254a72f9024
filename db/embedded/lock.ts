/**
 * One server per data folder. The lock names the process and when that began, so that neither a killed server nor a process
 * that was given its number later keeps the folder closed.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, startTimeOf } from './process.ts';

export type InstanceLock = {
  /** Tells a second start where the first one answers. */
  note(address: string): void;
  release(): void;
};

type Holder = { pid: number; startTime: number | undefined; address?: string };
const fileName = 'server.lock';

/** @throws Error in one line when a server runs in `folder`. */
export function takeLock(
  folder: string,
  self: Holder = { pid: process.pid, startTime: startTimeOf(process.pid) },
): InstanceLock {
  const path = join(folder, fileName);
  const draft = join(folder, `${fileName}.${self.pid}`);
  writeFileSync(draft, JSON.stringify(self), { mode: 0o600 });
  try {
    while (!tryLink(draft, path)) {
      const holder = readHolder(path);
      if (holder && isAlive(holder.pid, holder.startTime)) throw alreadyRunning(folder, holder);
      removeStale(path, holder, folder, self);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const mine = () => readHolder(path)?.pid === self.pid;
  return {
    note(address) {
      if (!mine()) return;
      writeFileSync(draft, JSON.stringify({ ...self, address }), { mode: 0o600 });
      renameSync(draft, path);
    },
    release() {
      if (mine()) rmSync(path, { force: true });
    },
  };
}

function alreadyRunning(folder: string, { pid, address }: Holder): Error {
  return new Error(
    `Tsumugi is already running in ${folder}: pid ${pid}${address ? `, address ${address}` : ', still starting'}.`,
  );
}

/** A link, unlike a rename, fails when the name is taken. */
function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined; // gone, or cut short by a crash: nobody's
  }
}

/** Takes a dead lock away. Two starts may do so at once: whoever grabs the other's fresh lock puts it back. */
function removeStale(path: string, stale: Holder | undefined, folder: string, self: Holder): void {
  const grabbed = `${path}.stale.${self.pid}`;
  try {
    renameSync(path, grabbed);
  } catch {
    return;
  }
  const holder = readHolder(grabbed);
  const fresh = holder && (holder.pid !== stale?.pid || holder.startTime !== stale.startTime);
  if (fresh && isAlive(holder.pid, holder.startTime)) {
    tryLink(grabbed, path);
    rmSync(grabbed, { force: true });
    throw alreadyRunning(folder, holder);
  }
  rmSync(grabbed, { force: true });
}
