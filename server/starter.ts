/**
 * Tells when the `npm start` that began this process is gone. npm ends the shell between them, and some shells pass no signal on:
 * the server would stay behind, unseen, and keep its folder closed.
 */
import { familyOf, isAlive, startTimeOf } from '../db/embedded/process.ts';

const LOOK_MS = 250;

/** Calls `task` once, a moment after npm, or the shell that it ran this in, has ended. Keeps no process alive. */
export function onStarterGone(task: () => void): void {
  const starters = findStarters(process.ppid).map((pid) => ({ pid, startTime: startTimeOf(pid) }));
  const timer = setInterval(() => {
    if (starters.every(({ pid, startTime }) => isAlive(pid, startTime))) return;
    clearInterval(timer);
    task();
  }, LOOK_MS);
  timer.unref();
}

/** The parent, and the npm above it where the parent is its shell. Whoever started npm may go. */
function findStarters(parent: number): number[] {
  const { name, parentPid } = familyOf(parent) ?? {};
  if (name === undefined || parentPid === undefined || isNpm(name)) return [parent];
  const above = familyOf(parentPid)?.name;
  return above !== undefined && isNpm(above) ? [parent, parentPid] : [parent];
}

const isNpm = (name: string): boolean => /^(npm|node)\b/.test(name);
