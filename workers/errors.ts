/** What can go wrong between a service and a worker; errors of a task itself pass through with their own name and message. */

/** The bounded queue is full. `code` is the one that the protocol documents. */
export class BusyError extends Error {
  readonly code = 'busy';
  constructor(queued: number) {
    super(`The worker queue is full (${queued} tasks wait).`);
    this.name = 'BusyError';
  }
}

/** The thread died under the task (exit, uncaught exception, out of memory) or was ended for taking too long. */
export class WorkerLostError extends Error {
  readonly task: string;
  constructor(task: string, cause: unknown) {
    super(`The worker died while it ran ${task}.`, { cause });
    this.name = 'WorkerLostError';
    this.task = task;
  }
}

/** The pool is closing or closed. `code` is the one that the protocol documents. */
export class PoolClosedError extends Error {
  readonly code = 'draining';
  constructor() {
    super('The worker pool is closed.');
    this.name = 'PoolClosedError';
  }
}
