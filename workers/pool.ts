/**
 * The pool of worker threads: a bounded queue with two priorities, abort, recovery from the death of a thread, measurements.
 * Piscina owns the threads; the queue stands here, so that a waiting task can be overtaken, aborted and refused exactly.
 * Refuses tasks that are not in `tasks.ts`, and I/O: a task gets everything in its input.
 */
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { BusyError, PoolClosedError, WorkerLostError } from './errors.ts';
import type { RunOptions, TaskRunner } from './runner.ts';
import type { TaskName, Tasks } from './tasks.ts';
import type { TaskAnswer, TaskCall } from './worker.ts';

export type TaskOutcome = 'done' | 'failed' | 'aborted' | 'busy' | 'lost';
export type WorkerPoolOptions = {
  threads: number;
  /** Tasks that may wait. Background tasks may fill half of it, so that somebody who waits still gets in. */
  maxQueue: number;
  /** A thread that works on one task for longer is ended. */
  taskTimeoutMs?: number;
  /** Heap of one thread, MiB. */
  maxHeapMb?: number;
  /** Called once a task, with the time it waited and ran in milliseconds. Must not throw. */
  onTask?: (task: TaskName, waitMs: number, runMs: number, outcome: TaskOutcome) => void;
  /** Another entry of the threads; for tests of their death. */
  filename?: URL;
};

type Job = {
  readonly task: TaskName;
  readonly call: TaskCall;
  readonly queuedMs: number;
  settled: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

export class WorkerPool implements TaskRunner {
  readonly #piscina: Piscina<TaskCall, TaskAnswer>;
  readonly #options: Required<Pick<WorkerPoolOptions, 'threads' | 'maxQueue' | 'taskTimeoutMs'>> & WorkerPoolOptions;
  readonly #queues = { interactive: [] as Job[], background: [] as Job[] };
  #running = 0;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = { taskTimeoutMs: 30_000, ...options };
    this.#piscina = new Piscina({
      filename: fileURLToPath(options.filename ?? new URL('./worker.ts', import.meta.url)),
      minThreads: options.threads,
      maxThreads: options.threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMb ?? 512 },
      // Workers need neither our settings (secrets are among them) nor flags meant for the main thread.
      env: {},
      execArgv: [],
    });
    // The death of an idle thread: Piscina has replaced it already.
    this.#piscina.on('error', () => {});
  }

  /** Tasks that wait, not those that run. */
  get queueLength(): number {
    return this.#queues.interactive.length + this.#queues.background.length;
  }

  get running(): number {
    return this.#running;
  }

  /** Resolves when every thread has loaded its tables. */
  async warmUp(): Promise<void> {
    const calls = Array.from({ length: this.#options.threads }, () => this.#piscina.run({ task: 'warm-up' }));
    await Promise.all(calls);
  }

  run<T extends TaskName>(task: T, input: Tasks[T]['input'], options: RunOptions = {}): Promise<Tasks[T]['output']> {
    const { signal, priority = 'interactive' } = options;
    if (this.#closed) return Promise.reject(new PoolClosedError());
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const limit = priority === 'background' ? Math.ceil(this.#options.maxQueue / 2) : this.#options.maxQueue;
    if (this.#running >= this.#options.threads && this.queueLength >= limit) {
      this.#options.onTask?.(task, 0, 0, 'busy');
      return Promise.reject(new BusyError(this.queueLength));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Tasks[T]['output']>();
    const queue = this.#queues[priority];
    const job: Job = {
      task,
      call: { task, input } as TaskCall,
      queuedMs: performance.now(),
      settled: false,
      resolve: resolve as (value: unknown) => void,
      reject,
    };
    queue.push(job);
    if (signal !== undefined) this.#abortWith(signal, job, queue, promise);
    this.#next();
    return promise;
  }

  /** Refuses new tasks, finishes those it has, at most `timeoutMs` long, then ends the threads. */
  async close(timeoutMs = 5_000): Promise<void> {
    this.#closed = true;
    if (this.#running > 0) {
      const idle = Promise.withResolvers<void>();
      this.#onIdle = idle.resolve;
      const timer = setTimeout(idle.resolve, timeoutMs);
      await idle.promise;
      clearTimeout(timer);
    }
    for (const job of [...this.#queues.interactive.splice(0), ...this.#queues.background.splice(0)]) {
      settle(job, () => job.reject(new PoolClosedError()));
    }
    await this.#piscina.destroy();
  }

  /**
   * Whoever aborts is answered at once. A task that runs is left to end, unheard: it is short, and ending its thread would
   * cost more than its result, since a new one has to load its tables.
   */
  #abortWith(signal: AbortSignal, job: Job, queue: Job[], promise: Promise<unknown>): void {
    const onAbort = () => {
      const place = queue.indexOf(job);
      if (place !== -1) queue.splice(place, 1);
      this.#finish(job, job.queuedMs, 'aborted', () => job.reject(abortError(signal)));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const forget = () => signal.removeEventListener('abort', onAbort);
    promise.then(forget, forget);
  }

  #next(): void {
    while (this.#running < this.#options.threads) {
      const job = this.#queues.interactive.shift() ?? this.#queues.background.shift();
      if (job === undefined) break;
      this.#running += 1;
      void this.#work(job).then(() => {
        this.#running -= 1;
        this.#next();
        if (this.#running === 0) this.#onIdle?.();
      });
    }
  }

  /** Never rejects. */
  async #work(job: Job, retried = false): Promise<void> {
    const startedMs = performance.now();
    const overdue = new AbortController();
    const timer = setTimeout(() => overdue.abort(), this.#options.taskTimeoutMs);
    try {
      const answer = await this.#piscina.run(job.call, { signal: overdue.signal });
      if (answer.ok) this.#finish(job, startedMs, 'done', () => job.resolve(answer.value));
      else this.#finish(job, startedMs, 'failed', () => job.reject(taskError(answer.error)));
    } catch (error) {
      // Tasks are pure, so one more try is safe: the thread may have died of something that was not this task's fault.
      // Not when time or memory ran out: that would only happen again.
      const hopeless = retried || overdue.signal.aborted || isOutOfMemory(error) || job.settled || this.#closed;
      if (!hopeless) return await this.#work(job, true);
      this.#finish(job, startedMs, 'lost', () => job.reject(new WorkerLostError(job.task, error)));
    } finally {
      clearTimeout(timer);
    }
  }

  #finish(job: Job, startedMs: number, outcome: TaskOutcome, answer: () => void): void {
    if (!settle(job, answer)) return;
    this.#options.onTask?.(job.task, startedMs - job.queuedMs, performance.now() - startedMs, outcome);
  }
}

/** Answers a job once; false when it had been answered. */
function settle(job: Job, answer: () => void): boolean {
  if (job.settled) return false;
  job.settled = true;
  answer();
  return true;
}

function abortError(signal: AbortSignal): DOMException {
  return new DOMException('The task was aborted.', { name: 'AbortError', cause: signal.reason } as never);
}

function taskError(raised: { name: string; message: string }): Error {
  const error = new Error(raised.message);
  error.name = raised.name;
  return error;
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
