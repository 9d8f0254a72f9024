/** How services ask for CPU work; the pool implements it. */
import type { TaskName, Tasks } from './tasks.ts';

export type RunOptions = {
  signal?: AbortSignal;
  /** `interactive` (the default): somebody waits for it. `background`: only when nothing interactive waits. */
  priority?: 'interactive' | 'background';
};

export interface TaskRunner {
  /**
   * Runs a task in a worker thread.
   * @throws AppError-like error with code `busy` when the bounded queue is full; AbortError when `signal` fires.
   */
  run<T extends TaskName>(task: T, input: Tasks[T]['input'], options?: RunOptions): Promise<Tasks[T]['output']>;
}
