/**
 * What a test has started ends with its process, also where the test ran out of time and knows nothing of it any more. A worker of
 * vitest is told to go by SIGTERM, which by itself skips what `exit` would have done.
 */
const tasks = new Set<() => void>();
let heard = false;

/** Runs `task` when this process ends, without waiting for anything. @returns what takes it back. */
export function atEnd(task: () => void): () => void {
  tasks.add(task);
  if (!heard) {
    heard = true;
    process.once('exit', () => {
      for (const each of tasks) each();
    });
    process.once('SIGTERM', () => process.exit(143));
  }
  return () => void tasks.delete(task);
}
