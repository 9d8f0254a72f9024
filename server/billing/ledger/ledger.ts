/**
 * The ledger as the rest of billing uses it. Whoever moves tokens calls `enqueue` inside the transaction that stores why, and after
 * his commit may wait with `settled`. The leader of the shard books: this gateway, or another one that is woken.
 * Never wait for `settled` inside a transaction: the booking may need what that transaction has locked.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Spent } from '../../../db/billing/ledger/booking.ts';
import { findPendingByKeys, insertPending, listPending, type NewPending } from '../../../db/billing/ledger/pending.ts';
import { findByKeys } from '../../../db/billing/ledger.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { LiveStore } from '../../../db/live/live-store.ts';
import { shardOf } from '../../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { LedgerDraft } from '../../../workers/tasks.ts';
import type { Clock } from '../../clock.ts';
import { Accounts, getAccount, platformAccountFor } from './accounts.ts';
import { Elsewhere, type Waiter } from './elsewhere.ts';
import { EntryIds } from './entry-ids.ts';
import { Leadership } from './leadership.ts';
import { type Booked, EntryRefused, type Movement, type PendingRef } from './movement.ts';
import { type LedgerLog, LedgerWriter } from './writer.ts';

export type LedgerParts = {
  db: Database;
  /** Connections that no transaction of a caller can take away from the writer. */
  side?: Database;
  runner: TaskRunner;
  clock: Clock;
  log: LedgerLog;
  /** Undefined where this is the only gateway. */
  news?: Pick<LiveStore, 'publish' | 'subscribe'> | undefined;
  /** For tests; otherwise made up, unique for each start. */
  name?: string;
};
type News = { kind: 'pending' | 'booked' | 'free'; shards: number[]; from: string };

const CHANNEL = 'billing.ledger';
/** Entries that nobody waits for, or whose gateway died, are found within this time. */
const LOOK_MS = 200;
const RENEW_MS = 1_000;
const LOOK_LIMIT = 1_000;

export class Ledger {
  readonly #parts: LedgerParts;
  readonly #db: Database;
  readonly #name: string;
  readonly #accounts = new Accounts();
  readonly #writer: LedgerWriter;
  readonly #leadership: Leadership;
  readonly #elsewhere: Elsewhere;
  readonly #ids = new EntryIds();
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #listeners: ((spent: readonly Spent[]) => void)[] = [];
  /** Entries that came from the outbox and not from a caller: somebody elsewhere may wait for them. */
  readonly #ofOthers = new Set<string>();
  #taking: Promise<boolean> | undefined;
  #leave: (() => Promise<void>) | undefined;
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** One that was not started takes what is free when it first has need of it. */
  #hasTried = false;
  #stopped = false;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#db = parts.side ?? parts.db;
    this.#name = parts.name ?? `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
    const { runner, clock, log } = parts;
    this.#elsewhere = new Elsewhere({ db: this.#db, clock, log });
    this.#writer = new LedgerWriter(
      { db: this.#db, runner, clock, log },
      {
        booked: (booked, spent) => this.#onBooked(booked, spent),
        refused: (draft, reason) => this.#onRefused(draft, reason),
        handedBack: (draft) => this.#onHandedBack(draft),
        fenced: () => this.#leadership.lookUp(),
      },
    );
    this.#leadership = new Leadership(this.#db, this.#writer, this.#name);
  }

  /** The shards whose chains this gateway lengthens now. */
  get led(): number[] {
    return this.#writer.heads.map(({ shard }) => shard);
  }

  /** Leads what is free from now on, and books what others left. */
  async start(): Promise<void> {
    const { news } = this.#parts;
    this.#leave = await news?.subscribe(CHANNEL, (payload) => this.#hear(JSON.parse(payload) as News));
    await this.#leadership.takeFree();
    await this.bookPending();
    this.#scheduleRound();
  }

  /** Books what waits here and gives the shards back, so that other gateways lead them at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#taking;
    await this.#writer.idle();
    const shards = this.#writer.heads.map(({ shard }) => shard);
    await this.#leadership.release();
    this.#tell('free', shards);
    await this.#leave?.();
  }

  /** The account of a user, made where it is missing, in a transaction of the service. */
  async accountOf(tx: Tx, userId: string): Promise<string> {
    return getAccount(await this.#accounts.allOf(tx, [userId]), userId);
  }

  /** As `accountOf`, of many. */
  accountsOf(tx: Tx, userIds: readonly string[]): Promise<Map<string, string>> {
    return this.#accounts.allOf(tx, userIds);
  }

  /** The platform's account that pays to, or is paid by, this one. */
  platformAccountFor(account: string): string {
    return platformAccountFor(account);
  }

  /**
   * Decides entries, in a transaction of the service. They stand when it commits, whatever happens to this gateway. Once for each
   * key: what is pending or booked already is given back as it is.
   * @returns one for each movement, in order.
   * @throws EntryRefused where an entry is taken back under another key; the transaction must be rolled back then.
   */
  async enqueue(tx: Tx, movements: readonly Movement[]): Promise<PendingRef[]> {
    if (movements.length === 0) return [];
    for (const movement of movements) checkMovement(movement);
    const unique = [...new Map(movements.map((movement) => [movement.idempotencyKey, movement])).values()];
    // Ids in the order of the movements: entries of one call are booked in their order, whoever books them.
    const rows = unique.map((movement) => toPending(movement, this.#ids.next()));
    const keys = rows.map((row) => row.idempotencyKey);
    const inserted = await insertPending(tx, rows);
    const known = keys.filter((key) => !inserted.keys.has(key));
    // In this order: what is gone from the outbox when it is asked stands in the ledger when that is asked.
    const [pending, booked] =
      known.length === 0 ? [[], []] : await Promise.all([findPendingByKeys(tx, known), findByKeys(tx, known)]);
    // One that was booked between the two questions was seen by both.
    const seen = new Set([...pending, ...booked].map(({ idempotencyKey }) => idempotencyKey));
    if (seen.size < known.length) throw new EntryRefused('Another entry takes the same one back.');
    const places = new Map(booked.map((entry) => [entry.idempotencyKey, entry]));
    const byKey = new Map(rows.map((row) => [row.idempotencyKey, row]));
    const waiting = new Map(pending.map((place) => [place.idempotencyKey, place]));
    return movements.map(({ idempotencyKey, fromAccount, asset }) => {
      const row = byKey.get(idempotencyKey);
      const place = places.get(idempotencyKey);
      const draft = row !== undefined && inserted.keys.has(idempotencyKey) ? toDraft(row, inserted.atMs) : undefined;
      const { entryId, shard } = waiting.get(idempotencyKey) ?? {
        entryId: row?.entryId ?? '',
        shard: shardOf(fromAccount),
      };
      return { idempotencyKey, entryId, shard: place?.shard ?? shard, fromAccount, asset, booked: place, draft };
    });
  }

  /**
   * After the commit of the transaction that enqueued them.
   * @returns one for each, in order, when the chain has them.
   * @throws EntryRefused where the ledger refuses one of them, or its transaction was rolled back.
   */
  async settled(refs: readonly PendingRef[]): Promise<Booked[]> {
    return (await this.outcomesOf(refs)).map((outcome) => {
      if (outcome instanceof EntryRefused) throw outcome;
      return outcome;
    });
  }

  /** As `settled`, where one that is refused does not hide the others. */
  async outcomesOf(refs: readonly PendingRef[]): Promise<(Booked | EntryRefused)[]> {
    const open = refs.filter(({ booked }) => booked === undefined);
    if (!this.#hasTried && open.some(({ shard }) => !this.#writer.leads(shard))) await this.#takeFree();
    const waiting = refs.map((ref) => this.#wait(ref));
    const own = open.flatMap(({ draft, shard }) => (draft !== undefined && this.#writer.leads(shard) ? [draft] : []));
    this.#writer.add(own);
    const elsewhere = new Set(open.filter(({ shard }) => !this.#writer.leads(shard)).map(({ shard }) => shard));
    if (elsewhere.size > 0) this.#tell('pending', [...elsewhere]);
    return Promise.all(waiting);
  }

  /** Books whatever is pending in the shards of this gateway; resolves when it is done. */
  async bookPending(): Promise<void> {
    while ((await this.#lookForPending(0)) === LOOK_LIMIT) await this.#writer.idle();
    await this.#writer.idle();
  }

  /** @param minAgeMs what is younger has most likely somebody here who is about to say so. */
  async #lookForPending(minAgeMs: number): Promise<number> {
    const shards = this.#writer.heads.map(({ shard }) => shard);
    if (shards.length === 0) return 0;
    const drafts = await this.#db.asService((tx) => listPending(tx, shards, minAgeMs, LOOK_LIMIT));
    for (const { entryId } of drafts) if (!this.#waiters.has(entryId)) this.#ofOthers.add(entryId);
    this.#writer.add(drafts);
    return drafts.length;
  }

  /** Told after each commit of this gateway's writer. */
  onBooked(listener: (spent: readonly Spent[]) => void): void {
    this.#listeners.push(listener);
  }

  #wait(ref: PendingRef): Promise<Booked | EntryRefused> {
    const { idempotencyKey, entryId, booked, draft, shard } = ref;
    if (booked !== undefined) return Promise.resolve({ ...booked, idempotencyKey, entryId });
    return new Promise((waiter) => {
      if (draft === undefined || !this.#writer.leads(shard)) this.#elsewhere.wait(ref, waiter);
      else this.#waiters.set(entryId, [...(this.#waiters.get(entryId) ?? []), waiter]);
    });
  }

  #onBooked(booked: readonly Booked[], spent: readonly Spent[]): void {
    const ofOthers = new Set<number>();
    for (const one of booked) {
      for (const tell of this.#takeWaiters(one.entryId)) tell(one);
      if (this.#ofOthers.delete(one.entryId)) ofOthers.add(one.shard);
    }
    this.#elsewhere.resolve(booked);
    if (ofOthers.size > 0) this.#tell('booked', [...ofOthers]);
    for (const listener of this.#listeners) listener(spent);
  }

  #onRefused(draft: LedgerDraft, reason: EntryRefused): void {
    for (const tell of this.#takeWaiters(draft.entryId)) tell(reason);
    this.#elsewhere.refuse(draft.idempotencyKey, reason);
    if (this.#ofOthers.delete(draft.entryId)) this.#tell('booked', [draft.shard]);
  }

  #onHandedBack(draft: LedgerDraft): void {
    for (const waiter of this.#takeWaiters(draft.entryId)) this.#elsewhere.wait(draft, waiter);
    this.#ofOthers.delete(draft.entryId);
    this.#tell('pending', [draft.shard]);
  }

  #takeWaiters(entryId: string): Waiter[] {
    const waiters = this.#waiters.get(entryId) ?? [];
    this.#waiters.delete(entryId);
    return waiters;
  }

  #takeFree(): Promise<boolean> {
    this.#hasTried = true;
    if (this.#stopped) return Promise.resolve(false);
    this.#taking ??= this.#leadership.takeFree().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  #hear({ kind, shards, from }: News): void {
    if (from === this.#name || this.#stopped) return;
    if (kind === 'booked') this.#elsewhere.heard(shards);
    else if (kind === 'free' || shards.some((shard) => this.#writer.leads(shard))) this.#inBackground(kind === 'free');
  }

  #inBackground(takes: boolean): void {
    const work = async () => {
      if (takes) await this.#takeFree();
      await this.#lookForPending(0);
    };
    work().catch((error: unknown) => this.#parts.log.warn({ error }, 'pending entries could not be looked for'));
  }

  #tell(kind: News['kind'], shards: number[]): void {
    const news: News = { kind, shards, from: this.#name };
    this.#parts.news
      ?.publish(CHANNEL, JSON.stringify(news))
      .catch((error: unknown) => this.#parts.log.warn({ error }, 'other gateways did not hear of the ledger'));
  }

  #scheduleRound(): void {
    if (this.#stopped) return;
    this.#parts.clock.after(LOOK_MS, () => void this.#round());
  }

  async #round(): Promise<void> {
    const { clock, log } = this.#parts;
    if (this.#stopped) return;
    try {
      if (clock.now() - this.#renewedAtMs >= RENEW_MS) {
        await this.#leadership.renew();
        await this.#takeFree();
        this.#renewedAtMs = clock.now();
      }
      await this.#lookForPending(LOOK_MS);
    } catch (error) {
      log.warn({ error }, 'the ledger could not be looked after; trying again');
    }
    this.#scheduleRound();
  }
}

/** @throws RangeError for what is a mistake of a caller. */
function checkMovement({ fromAccount, toAccount, tokenAmount, idempotencyKey }: Movement): void {
  if (!Number.isSafeInteger(tokenAmount) || tokenAmount <= 0)
    throw new RangeError(`A movement of ${tokenAmount} tokens is none.`);
  if (fromAccount === toAccount) throw new RangeError('A movement goes from one account to another.');
  if (idempotencyKey === '' || idempotencyKey.length > 200)
    throw new RangeError('An idempotency key has 1 to 200 characters.');
}

function toDraft(row: NewPending, createdAtMs: number): LedgerDraft {
  const { spentAt: _spentAt, organizationId: _organizationId, holdId: _holdId, ...draft } = row;
  return { ...draft, status: row.reversesId === null ? 'settled' : 'reversed', createdAtMs };
}

function toPending(movement: Movement, entryId: string): NewPending {
  const { purpose, asset, spentAt } = movement;
  return {
    entryId,
    shard: shardOf(movement.fromAccount),
    fromAccount: movement.fromAccount,
    toAccount: movement.toAccount,
    asset,
    tokenAmount: movement.tokenAmount,
    unitPriceMicro: movement.unitPriceMicro ?? 0,
    purpose,
    reversesId: movement.reversesId ?? null,
    conversationId: movement.conversationId ?? null,
    messageId: movement.messageId ?? null,
    generationId: movement.generationId ?? null,
    idempotencyKey: movement.idempotencyKey,
    spentAt: spentAt ?? (purpose === 'generation' && asset === 'token' ? 'now' : null),
    organizationId: movement.organizationId ?? null,
    holdId: movement.holdId ?? null,
  };
}
