/**
 * One server per data folder. The lock names the process and when that began, so that neither a killed server nor a process
 * that was given its number later keeps the folder closed.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, startTimeOf } from './process.ts';

export type InstanceLock = {
  /** Tells a second start where the first one answers. */
  note(address: string): void;
  /** Tells a second start that this one is about to end: it waits. */
  leave(): void;
  release(): void;
};

type Holder = { pid: number; startTime: number | undefined; address?: string; leaving?: boolean };
const fileName = 'server.lock';
/** As long as a server may take to let its answers end, and a little more. */
const LEAVING_MS = 20_000;
const LOOK_MS = 100;

/** A server holds the folder. `leaving`: it is about to end. */
class FolderTaken extends Error {
  readonly pid: number;
  readonly leaving: boolean;

  constructor(folder: string, { pid, address, leaving = false }: Holder) {
    const where = address ? `, address ${address}` : ', still starting';
    super(`Tsumugi is already running in ${folder}: pid ${pid}${leaving ? ', stopping' : where}.`);
    this.pid = pid;
    this.leaving = leaving;
  }
}

/** Waits for a server that is about to end, and says so. @throws Error in one line when a server runs in `folder`. */
export async function takeLockInTurn(folder: string, log: (line: string) => void): Promise<InstanceLock> {
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    try {
      return takeLock(folder);
    } catch (error) {
      if (!(error instanceof FolderTaken) || !error.leaving || waitedMs >= LEAVING_MS) throw error;
      if (waitedMs === 0) log(`waiting for the server that is stopping in ${folder} (pid ${error.pid})`);
    }
    await delay(LOOK_MS);
  }
}

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
      if (holder && isAlive(holder.pid, holder.startTime)) throw new FolderTaken(folder, holder);
      removeStale(path, holder, folder, self);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const mine = () => readHolder(path)?.pid === self.pid;
  const rewrite = (facts: Partial<Holder>) => {
    if (!mine()) return;
    writeFileSync(draft, JSON.stringify({ ...readHolder(path), ...facts }), { mode: 0o600 });
    renameSync(draft, path);
  };
  return {
    note: (address) => rewrite({ address }),
    leave: () => rewrite({ leaving: true }),
    release() {
      if (mine()) rmSync(path, { force: true });
    },
  };
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
    throw new FolderTaken(folder, holder);
  }
  rmSync(grabbed, { force: true });
}
