/**
 * Lengthens the chains that this gateway leads: whatever has come while the transaction before was under way is hashed by a worker,
 * off any lock, and booked by one statement (group commit). Knows what it leads, not how it came to lead it.
 * While the database is away it tries for ever. An entry that the ledger refuses is found, set apart from the others, and left to
 * an operator.
 */
import { bookPending, FENCED, NOT_PENDING, type Spent } from '../../../db/billing/ledger/booking.ts';
import type { LedHead } from '../../../db/billing/ledger/leases.ts';
import { deletePending, findPendingIds, refusePending } from '../../../db/billing/ledger/pending.ts';
import { type EntryRef, findByKeys } from '../../../db/billing/ledger.ts';
import type { Database } from '../../../db/client.ts';
import { HASH_VERSION } from '../../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { HashedEntry, LedgerDraft } from '../../../workers/tasks.ts';
import type { Clock } from '../../clock.ts';
import { isOutage } from '../../outage.ts';
import { type Booked, EntryRefused } from './movement.ts';

export type LedgerLog = { warn(facts: object, message: string): void; error(facts: object, message: string): void };
export type WriterEvents = {
  /** Committed. */
  booked(booked: readonly Booked[], spent: readonly Spent[]): void;
  /** It stands in the way of others and was set apart. */
  refused(draft: LedgerDraft, reason: EntryRefused): void;
  /** Nobody here leads its shard any more. */
  handedBack(draft: LedgerDraft): void;
  /** Somebody else has moved a chain: what is led must be looked up. */
  fenced(): Promise<void>;
};
type Parts = { db: Database; runner: TaskRunner; clock: Clock; log: LedgerLog };

type Prepared = { batch: readonly LedgerDraft[]; heads: readonly LedHead[]; hashed: readonly HashedEntry[] };

/** Rows of one statement; what waits longer goes into the next one. */
const MAX_BATCH = 256;
const RETRY_MS = 250;
const UNIQUE_VIOLATION = '23505';

export class LedgerWriter {
  readonly #parts: Parts;
  readonly #events: WriterEvents;
  readonly #heads = new Map<number, LedHead>();
  /** Where the chains end when what is under way is booked. Beside `heads` only while a batch is. */
  readonly #ahead = new Map<number, { seq: number; hash: string }>();
  /** Waiting or under way, by entry: what comes by two ways is booked once. */
  readonly #known = new Set<string>();
  #waiting: LedgerDraft[] = [];
  #working: Promise<void> | undefined;

  constructor(parts: Parts, events: WriterEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  get heads(): LedHead[] {
    return [...this.#heads.values()];
  }

  leads(shard: number): boolean {
    return this.#heads.has(shard);
  }

  /** The ends of the chains that this gateway leads now, as they stand in the database. */
  setHeads(heads: readonly LedHead[]): void {
    this.#heads.clear();
    this.#ahead.clear();
    this.addHeads(heads);
  }

  addHeads(heads: readonly LedHead[]): void {
    for (const head of heads) {
      this.#heads.set(head.shard, head);
      this.#ahead.delete(head.shard);
    }
  }

  /** Entries that are pending in the database. Known ones change nothing. */
  add(drafts: readonly LedgerDraft[]): void {
    for (const draft of drafts) {
      if (this.#known.has(draft.entryId)) continue;
      this.#known.add(draft.entryId);
      this.#waiting.push(draft);
    }
    if (this.#waiting.length > 0) this.#working ??= this.#work();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    // One turn of the event loop later, so that entries that come together are booked together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    let before = Promise.resolve(true);
    while (this.#waiting.length > 0) {
      const batch = this.#takeLed(this.#waiting.splice(0, MAX_BATCH));
      if (batch.length === 0) continue;
      // Hashed upon the ends that the batch before is about to make, while the database is busy with that one.
      const prepared = await this.#hash(batch);
      if (!(await before)) {
        // Those ends did not come.
        this.#ahead.clear();
        this.#waiting.unshift(...batch);
        before = Promise.resolve(true);
      } else if (prepared instanceof Error) {
        await this.#recover(batch, prepared);
      } else {
        before = this.#book(prepared);
      }
      if (this.#waiting.length === 0) await before;
    }
    await before;
    this.#working = undefined;
    if (this.#waiting.length > 0) this.#working = this.#work();
  }

  #takeLed(batch: readonly LedgerDraft[]): LedgerDraft[] {
    for (const draft of batch) if (!this.#heads.has(draft.shard)) this.#handBack(draft);
    return batch.filter(({ shard }) => this.#heads.has(shard));
  }

  async #hash(batch: readonly LedgerDraft[]): Promise<Prepared | Error> {
    const heads = this.heads.map((head) => ({ ...head, ...this.#ahead.get(head.shard) }));
    try {
      const ends = heads.map(({ shard, seq, hash }) => ({ shard, seq, hash }));
      const hashed = await this.#parts.runner.run('billing/hash-entries', { heads: ends, entries: batch });
      for (const { shard, seq, hash } of hashed) this.#ahead.set(shard, { seq, hash });
      return { batch, heads, hashed };
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** @returns false when it failed, and what was hashed upon it is void. */
  async #book({ batch, heads, hashed }: Prepared): Promise<boolean> {
    try {
      const spent = await this.#parts.db.asServiceAtOnce((tx) => bookPending(tx, heads, hashed, HASH_VERSION));
      this.#settle(batch, hashed, spent);
      return true;
    } catch (error) {
      this.#ahead.clear();
      await this.#recover(batch, error);
      return false;
    }
  }

  /** Hashes and books at once, for what is tried again. */
  async #bookAlone(batch: readonly LedgerDraft[]): Promise<void> {
    const led = this.#takeLed(batch);
    if (led.length === 0) return;
    this.#ahead.clear();
    const prepared = await this.#hash(led);
    if (prepared instanceof Error) await this.#recover(led, prepared);
    else await this.#book(prepared);
  }

  #settle(batch: readonly LedgerDraft[], hashed: readonly HashedEntry[], spent: readonly Spent[]): void {
    const booked = hashed.map(({ entryId, shard, seq, hash }, index) => {
      const head = this.#heads.get(shard);
      if (head !== undefined) this.#heads.set(shard, { ...head, seq, hash });
      this.#known.delete(entryId);
      return { idempotencyKey: batch[index]?.idempotencyKey ?? '', entryId, shard, seq, hash };
    });
    this.#events.booked(booked, spent);
  }

  async #recover(batch: readonly LedgerDraft[], error: unknown): Promise<void> {
    const { clock, log } = this.#parts;
    const code = codeOf(error);
    const [first] = batch;
    try {
      if (code === FENCED) {
        log.warn({ entries: batch.length }, 'a chain of the ledger was moved by another gateway');
        await this.#events.fenced();
        this.#waiting.unshift(...batch);
      } else if (code === NOT_PENDING) {
        await this.#sortOut(batch);
      } else if (isOutage(error)) {
        throw error;
      } else if (batch.length > 1) {
        // One of them is refused: each half on its own, until it is found. It must not hold up the rest.
        const half = Math.ceil(batch.length / 2);
        await this.#bookAlone(batch.slice(0, half));
        await this.#bookAlone(batch.slice(half));
      } else if (first !== undefined) {
        await this.#refuse(first, error);
      }
    } catch (outage) {
      log.error({ error: outage, entries: batch.length }, 'entries of the ledger could not be booked; trying again');
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
      this.#waiting.unshift(...batch);
    }
  }

  /** Some are not in the outbox: they are in the ledger by now, or their transaction was rolled back. */
  async #sortOut(batch: readonly LedgerDraft[]): Promise<void> {
    const keys = batch.map((draft) => draft.idempotencyKey);
    const [known, pending] = await this.#parts.db.asService((tx) =>
      Promise.all([findByKeys(tx, keys), findPendingIds(tx, batch)]),
    );
    const places = new Map(known.map((entry) => [entry.idempotencyKey, entry]));
    const booked: Booked[] = [];
    for (const draft of batch) {
      const place = places.get(draft.idempotencyKey);
      if (place !== undefined) booked.push(toBooked(draft, place));
      if (place === undefined && pending.has(draft.entryId)) this.#waiting.push(draft);
      else this.#known.delete(draft.entryId);
      if (place === undefined && !pending.has(draft.entryId))
        this.#events.refused(draft, new EntryRefused('It is not in the outbox: its transaction was rolled back.'));
    }
    if (booked.length > 0) this.#events.booked(booked, []);
  }

  async #refuse(draft: LedgerDraft, error: unknown): Promise<void> {
    const place = codeOf(error) === UNIQUE_VIOLATION ? await this.#dropDouble(draft) : undefined;
    if (place !== undefined) {
      this.#known.delete(draft.entryId);
      this.#events.booked([toBooked(draft, place)], []);
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    await this.#parts.db.asService((tx) => refusePending(tx, draft.entryId, reason));
    this.#parts.log.error({ error, entryId: draft.entryId }, 'an entry is refused by the ledger and was set apart');
    this.#known.delete(draft.entryId);
    this.#events.refused(draft, new EntryRefused(reason));
  }

  /** Enqueued in the moment in which the entry of its key was booked: it stands in the ledger, and this row is one too many. */
  #dropDouble(draft: LedgerDraft): Promise<EntryRef | undefined> {
    return this.#parts.db.asService(async (tx) => {
      const [place] = await findByKeys(tx, [draft.idempotencyKey]);
      if (place !== undefined) await deletePending(tx, draft);
      return place;
    });
  }

  #handBack(draft: LedgerDraft): void {
    this.#known.delete(draft.entryId);
    this.#events.handedBack(draft);
  }
}

function toBooked(draft: LedgerDraft, { shard, seq, hash }: EntryRef): Booked {
  return {
    idempotencyKey: draft.idempotencyKey,
    entryId: draft.entryId,
    shard,
    seq,
    hash,
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
