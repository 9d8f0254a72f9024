/**
 * The provider's events: stored first, answered, then worked on; tried again until it works. Every gateway may receive and work on
 * any of them; one is worked on by one at a time, and work that is begun twice does no harm.
 */
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import {
  type DueEvent,
  deleteOldEvents,
  finishEvents,
  insertEvent,
  postponeEvent,
  takeDueEvent,
} from '../../../db/billing/stripe/events.ts';
import type { Database } from '../../../db/client.ts';
import type { PurchaseLog } from '../purchases/needs.ts';
import type { ReceivedEvent, SubjectKind } from './event-subject.ts';

export type SubjectHandler = (subjectId: string, accountId: string | null) => Promise<unknown>;

/** Work that is begun twice does no harm: rather that than waiting long for a gateway that has died. */
const LEASE_S = 30;
const WORKERS = 4;
const MAX_WAIT_S = 3600;
const KEEP_DAYS = 90;

export class EventInbox {
  readonly #db: Database;
  readonly #provider: Provider;
  readonly #log: PurchaseLog;
  readonly #handlers = new Map<SubjectKind, SubjectHandler>();
  readonly #working = new Set<Promise<void>>();
  #stopped = false;

  constructor(db: Database, provider: Provider, log: PurchaseLog) {
    this.#db = db;
    this.#provider = provider;
    this.#log = log;
  }

  /** One handler a kind; it reads the state of the subject at the provider and applies it. */
  on(kind: SubjectKind, handler: SubjectHandler): void {
    if (this.#handlers.has(kind)) throw new Error(`Two parts deal with events about ${kind}.`);
    this.#handlers.set(kind, handler);
  }

  /** Durable when it resolves. @returns false when it was received before. */
  async receive(event: ReceivedEvent): Promise<boolean> {
    const subject = event.subject !== undefined && this.#handlers.has(event.subject.kind) ? event.subject : undefined;
    const isNew = await this.#db.asService((tx) => insertEvent(tx, { ...event, subject, provider: this.#provider }));
    if (isNew && subject !== undefined) this.kick();
    return isNew;
  }

  /** Begins to work on what is due, if not enough workers are at it already. */
  kick(): void {
    if (this.#stopped || this.#working.size >= WORKERS) return;
    const work = this.#work()
      .catch((error: unknown) => this.#log.warn({ error }, 'events of the payment provider could not be worked on'))
      .finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  /** Works on everything that is due now. */
  async work(): Promise<void> {
    this.kick();
    await Promise.all(this.#working);
  }

  async forgetOld(): Promise<void> {
    await this.#db.asService((tx) => deleteOldEvents(tx, KEEP_DAYS));
  }

  /** Waits for what is being worked on; the rest is there for the next start, or another gateway. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#working);
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const event = await this.#db.asService((tx) => takeDueEvent(tx, this.#provider, LEASE_S));
      if (event === undefined) return;
      await this.#handle(event);
    }
  }

  async #handle(event: DueEvent): Promise<void> {
    try {
      await this.#handlers.get(event.subjectKind as SubjectKind)?.(event.subjectId, event.accountId);
      await this.#db.asService((tx) => finishEvents(tx, this.#provider, event));
    } catch (error) {
      const { eventId, type, attempts } = event;
      const seconds = Math.min(MAX_WAIT_S, 2 ** Math.min(attempts, 12));
      this.#log.warn({ error, eventId, type, attempts, seconds }, 'an event could not be worked on; it is tried again');
      const why = error instanceof Error ? `${error.name}: ${error.message}` : 'failed';
      await this.#db.asService((tx) => postponeEvent(tx, this.#provider, eventId, { seconds, error: why }));
    }
  }
}
