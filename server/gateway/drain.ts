/**
 * How sockets are closed when this server goes down: idle ones first, busy ones when they are done, everybody spread over time,
 * so that the next server is not met by all of them at once. It decides who goes when; it knows nothing of why one is busy.
 */
import type { Clock } from '../clock.ts';
import type { Connection } from './connection.ts';

export type DrainOptions = {
  /** Sockets that stay open for now. Made once for each batch, so that it may look things up for all of them together. */
  busy: () => (connection: Connection) => boolean;
  /** From then on busy ones are closed as well. */
  until: Promise<void>;
  /** The idle ones are spread over this time, milliseconds; a few go at once. */
  overMs: number;
};

/** Between two batches; also how soon a socket follows the end of what kept it. */
const STEP_MS = 50;
/** So many are no storm for anybody. */
const SMALLEST_BATCH = 50;
export const drainLimits = {
  /** Idle sockets are closed within this time, milliseconds. */
  overMs: 2000,
  /** The hint in `gateway.draining` is random, and never longer, milliseconds. */
  maxHintMs: 1000,
  /** What a refused upgrade is told to wait, milliseconds: another server answers sooner than this one. */
  retryUpgradeMs: 1000,
} as const;

export class Drain {
  readonly #connections: Iterable<Connection> & { readonly count: number };
  readonly #clock: Clock;
  readonly #options: DrainOptions;

  constructor(
    connections: Iterable<Connection> & { readonly count: number },
    clock: Clock,
    options: Partial<DrainOptions>,
  ) {
    this.#connections = connections;
    this.#clock = clock;
    this.#options = { busy: () => () => false, until: new Promise(() => {}), overMs: drainLimits.overMs, ...options };
  }

  /** Resolves when no socket is left, or `given up` says so. */
  async run(givenUp: () => boolean): Promise<void> {
    const { busy, until, overMs } = this.#options;
    let patient = true;
    void until.then(() => {
      patient = false;
    });
    this.#announce();
    const steps = Math.max(1, Math.ceil(overMs / STEP_MS));
    const batch = Math.max(SMALLEST_BATCH, Math.ceil(this.#connections.count / steps));
    while (this.#connections.count > 0 && !givenUp()) {
      const isBusy = patient ? busy() : () => false;
      // Chosen before any is closed: closing takes it off the list that is being read.
      for (const connection of first(this.#connections, batch, (one) => !isBusy(one))) connection.close('going_away');
      if (this.#connections.count > 0) await this.#step(patient ? until : undefined);
    }
  }

  /** Each client gets a hint of its own; few clients need no spread. */
  #announce(): void {
    const spreadMs = Math.min(drainLimits.maxHintMs, this.#connections.count);
    for (const connection of this.#connections) {
      const reconnectInMs = Math.floor(Math.random() * spreadMs);
      connection.push({ type: 'gateway.draining', body: { reconnectInMs } });
    }
  }

  #step(until: Promise<void> | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(STEP_MS, resolve);
    if (until === undefined) return promise;
    return Promise.race([promise, until]).then(() => timer.cancel());
  }
}

function first(connections: Iterable<Connection>, limit: number, fits: (one: Connection) => boolean): Connection[] {
  const found: Connection[] = [];
  for (const connection of connections) {
    if (found.length >= limit) break;
    if (fits(connection)) found.push(connection);
  }
  return found;
}
