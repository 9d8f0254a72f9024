/** What has to be done now and then, whoever is connected. A round that fails is logged and the next one comes all the same. */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

export type Chore = { name: string; everyMs: number; work: () => Promise<void> };

/** Runs each chore again and again, never two rounds of one at a time. @returns how to stop */
export function startChores(chores: readonly Chore[], clock: Clock, log: Pick<Log, 'warn'>): () => void {
  let stopped = false;
  const next = ({ name, everyMs, work }: Chore): void => {
    clock.after(everyMs, () => {
      if (stopped) return;
      work()
        .catch((error: unknown) =>
          log.warn({ error, chore: name }, 'a chore failed; it is tried again at its next turn'),
        )
        .finally(() => next({ name, everyMs, work }));
    });
  };
  for (const chore of chores) next(chore);
  return () => {
    stopped = true;
  };
}
