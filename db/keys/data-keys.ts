/**
 * The keys of encrypted columns: one active key a user, plus the server's own (`null`). Unwrapped keys are kept in memory,
 * bounded in number and time. Deleting a user's keys shreds what was written under them.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Tx } from '../client.ts';
import type { CellAddress } from '../columns/encrypted.ts';
import { uuidv7 } from '../uuid.ts';
import type { MasterKeyRing } from './master-key-ring.ts';
import * as queries from './queries.ts';

export type DataKey = Readonly<{ id: string; userId: string | null; key: KeyObject }>;
type Cached = { dataKey: DataKey; untilMs: number };

export class NoDataKeyError extends Error {
  constructor(userId: string | null) {
    super(
      userId === null
        ? 'The server has no data key of its own; the keys were not prepared.'
        : `User ${userId} has no data key: the account was erased, or was never set up.`,
    );
    this.name = 'NoDataKeyError';
  }
}

export class DataKeys {
  readonly #ring: MasterKeyRing;
  readonly #now: () => number;
  readonly #maxCached: number;
  readonly #cacheMs: number;
  readonly #byId = new Map<string, Cached>();
  readonly #activeId = new Map<string | null, string>();

  /** @param options.cacheMs how long another process's shredding or new key may go unnoticed here; default a minute. */
  constructor(ring: MasterKeyRing, options: { maxCached?: number; cacheMs?: number; now?: () => number } = {}) {
    this.#ring = ring;
    this.#now = options.now ?? Date.now;
    this.#maxCached = options.maxCached ?? 10_000;
    this.#cacheMs = options.cacheMs ?? 60_000;
  }

  /** Makes the active key of a user, or of the server (null), unless there is one. Asks for a service transaction. */
  async createFor(tx: Tx, userId: string | null): Promise<void> {
    const id = uuidv7(this.#now());
    const { masterKeyId, wrapped } = this.#ring.wrap(createSecretKey(randomBytes(32)), wrapAddress(id));
    await queries.insertDataKey(
      tx,
      { id, user_id: userId, master_key_id: masterKeyId, wrapped_key: wrapped },
      this.#now(),
    );
  }

  /** The key to encrypt with. @throws NoDataKeyError when there is none. */
  async activeFor(tx: Tx, userId: string | null): Promise<DataKey> {
    const cached = this.#cached(this.#activeId.get(userId));
    if (cached !== undefined) return cached;
    const row = await queries.findActiveDataKey(tx, userId);
    if (row === undefined) throw new NoDataKeyError(userId);
    const dataKey = this.#keep(row);
    this.#activeId.set(userId, dataKey.id);
    return dataKey;
  }

  /** The key with this id; undefined when it was shredded or this transaction may not see it. */
  async find(tx: Tx, id: string): Promise<DataKey | undefined> {
    const cached = this.#cached(id);
    if (cached !== undefined) return cached;
    const row = await queries.findDataKey(tx, id);
    return row && this.#keep(row);
  }

  /** Deletes a user's keys for ever. Other processes forget them within `cacheMs`. @returns how many there were. */
  async shred(tx: Tx, userId: string): Promise<number> {
    const count = await queries.deleteDataKeys(tx, userId);
    this.forget(userId);
    return count;
  }

  /** Drops what is kept in memory for a user. */
  forget(userId: string): void {
    this.#activeId.delete(userId);
    for (const [id, { dataKey }] of this.#byId) if (dataKey.userId === userId) this.#byId.delete(id);
  }

  /** @throws UnknownMasterKeyError when the configured master keys cannot open the keys of this database. */
  async check(tx: Tx): Promise<void> {
    for (const row of await queries.countByMasterKey(tx)) {
      const [sample] = await tx.sql<queries.DataKeyRow[]>`
        select id, user_id, master_key_id, wrapped_key from identity.data_keys where master_key_id = ${row.master_key_id} limit 1`;
      if (sample !== undefined) this.#unwrap(sample);
    }
  }

  #unwrap(row: queries.DataKeyRow): KeyObject {
    return this.#ring.unwrap({ masterKeyId: row.master_key_id, wrapped: row.wrapped_key }, wrapAddress(row.id));
  }

  #cached(id: string | undefined): DataKey | undefined {
    const entry = id === undefined ? undefined : this.#byId.get(id);
    return entry !== undefined && entry.untilMs > this.#now() ? entry.dataKey : undefined;
  }

  #keep(row: queries.DataKeyRow): DataKey {
    const dataKey = { id: row.id, userId: row.user_id, key: this.#unwrap(row) };
    this.#byId.delete(row.id);
    this.#byId.set(row.id, { dataKey, untilMs: this.#now() + this.#cacheMs });
    if (this.#byId.size > this.#maxCached) {
      const [oldest] = this.#byId;
      if (oldest !== undefined) {
        this.#byId.delete(oldest[0]);
        if (this.#activeId.get(oldest[1].dataKey.userId) === oldest[0]) this.#activeId.delete(oldest[1].dataKey.userId);
      }
    }
    return dataKey;
  }
}

/** What a wrapped data key is bound to. */
export function wrapAddress(dataKeyId: string): CellAddress {
  return { table: 'identity.data_keys', column: 'wrapped_key', rowId: dataKeyId };
}
