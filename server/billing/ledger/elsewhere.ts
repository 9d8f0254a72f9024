/**
 * Waits for entries that another gateway books: it says so on the channel, and where that was not heard, looking now and then
 * finds them.
 */
import { findPendingStates } from '../../../db/billing/ledger/pending.ts';
import { findByKeys } from '../../../db/billing/ledger.ts';
import type { Database } from '../../../db/client.ts';
import type { Clock } from '../../clock.ts';
import { type Booked, EntryRefused, type PendingRef } from './movement.ts';
import type { LedgerLog } from './writer.ts';

export type Waiter = (outcome: Booked | EntryRefused) => void;
type Awaited = { ref: Pick<PendingRef, 'idempotencyKey' | 'entryId' | 'shard'>; waiters: Waiter[] };
type Parts = { db: Database; clock: Clock; log: LedgerLog };

/** A look costs one query for all that waits. */
const LOOK_MS = 100;

export class Elsewhere {
  readonly #parts: Parts;
  readonly #awaited = new Map<string, Awaited>();
  #looking: Promise<void> | undefined;
  #again = false;
  #due = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  wait(ref: Awaited['ref'], waiter: Waiter): void {
    const known = this.#awaited.get(ref.idempotencyKey);
    if (known === undefined) this.#awaited.set(ref.idempotencyKey, { ref, waiters: [waiter] });
    else known.waiters.push(waiter);
    this.#lookLater();
  }

  /** Something was booked in these shards. */
  heard(shards: readonly number[]): void {
    for (const { ref } of this.#awaited.values()) {
      if (!shards.includes(ref.shard)) continue;
      this.look();
      return;
    }
  }

  /** Booked by this gateway after all. */
  resolve(booked: readonly Booked[]): void {
    if (this.#awaited.size === 0) return;
    for (const one of booked) for (const tell of this.#take(one.idempotencyKey)) tell(one);
  }

  refuse(idempotencyKey: string, reason: EntryRefused): void {
    for (const tell of this.#take(idempotencyKey)) tell(reason);
  }

  look(): void {
    this.#again = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      this.#lookLater();
    });
  }

  async #look(): Promise<void> {
    while (this.#again && this.#awaited.size > 0) {
      this.#again = false;
      const awaited = [...this.#awaited.values()];
      try {
        await this.#find(awaited);
      } catch (error) {
        this.#parts.log.warn({ error }, 'entries that another gateway books could not be looked for');
      }
    }
  }

  async #find(awaited: readonly Awaited[]): Promise<void> {
    const keys = awaited.map(({ ref }) => ref.idempotencyKey);
    // In this order: what is gone from the outbox when it is asked stands in the ledger when that is asked.
    const [pending, entries] = await this.#parts.db.asService((tx) =>
      Promise.all([findPendingStates(tx, keys), findByKeys(tx, keys)]),
    );
    const places = new Map(entries.map((entry) => [entry.idempotencyKey, entry]));
    const states = new Map(pending.map((one) => [one.idempotencyKey, one]));
    for (const { ref } of awaited) {
      const { idempotencyKey, entryId } = ref;
      const place = places.get(idempotencyKey);
      const state = states.get(idempotencyKey);
      if (place !== undefined) this.resolve([{ ...place, entryId }]);
      else if (state === undefined)
        this.refuse(idempotencyKey, new EntryRefused('It is not in the outbox: its transaction was rolled back.'));
      else if (state.refused !== null) this.refuse(idempotencyKey, new EntryRefused(state.refused));
    }
  }

  #lookLater(): void {
    if (this.#due || this.#awaited.size === 0) return;
    this.#due = true;
    this.#parts.clock.after(LOOK_MS, () => {
      this.#due = false;
      this.look();
    });
  }

  #take(idempotencyKey: string): Waiter[] {
    const found = this.#awaited.get(idempotencyKey)?.waiters ?? [];
    this.#awaited.delete(idempotencyKey);
    return found;
  }
}
