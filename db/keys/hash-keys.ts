/**
 * The versioned keys of keyed hashes. They live in the database, wrapped, so that a new version is seen by every server in
 * the same moment: reading them takes a lock that a rotation takes exclusively.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Tx } from '../client.ts';
import type { CellAddress } from '../columns/encrypted.ts';
import { keyedHash } from '../columns/keyed-hash.ts';
import type { MasterKeyRing } from './master-key-ring.ts';
import * as queries from './queries.ts';

export type VersionedHash = Readonly<{ version: number; hash: Buffer }>;

export class HashKeys {
  readonly #ring: MasterKeyRing;
  readonly #unwrapped = new Map<number, { wrapped: Buffer; key: KeyObject }>();

  constructor(ring: MasterKeyRing) {
    this.#ring = ring;
  }

  /** Hashes of `value` under every version, newest first: look up by all, write the first. Service transactions only. */
  async hashesOf(tx: Tx, purpose: string, value: string): Promise<[VersionedHash, ...VersionedHash[]]> {
    await queries.lockHashesShared(tx);
    const rows = await queries.selectHashKeys(tx);
    const [newest, ...older] = rows.map((row) => ({
      version: row.version,
      hash: keyedHash(this.#keyOf(row), purpose, value),
    }));
    if (newest === undefined) throw new Error('There is no hash key; the keys were not prepared.');
    return [newest, ...older];
  }

  /** Makes the first version unless there is one. */
  async ensure(tx: Tx): Promise<void> {
    await queries.lockHashesExclusive(tx);
    const rows = await queries.selectHashKeys(tx);
    if (rows.length === 0) await this.#insert(tx, 1);
    // Opening them now tells at the start, not at the first sign-in, that the master key is the wrong one.
    else for (const row of rows) this.#unwrap(row);
  }

  /** Adds a version; from its commit on it is the one that is written. @returns its number. */
  async addVersion(tx: Tx): Promise<number> {
    await queries.lockHashesExclusive(tx);
    const [newest] = await queries.selectHashKeys(tx);
    const version = (newest?.version ?? 0) + 1;
    await this.#insert(tx, version);
    return version;
  }

  /** Wraps every version by the active master key. @returns how many were changed. */
  async rewrap(tx: Tx): Promise<number> {
    await queries.lockHashesExclusive(tx);
    const rows = (await queries.selectHashKeys(tx)).filter((row) => row.master_key_id !== this.#ring.activeId);
    for (const row of rows) {
      const { masterKeyId, wrapped } = this.#ring.wrap(this.#unwrap(row), hashKeyAddress(row.version));
      await queries.rewrapHashKey(tx, { version: row.version, master_key_id: masterKeyId, wrapped_key: wrapped });
    }
    return rows.length;
  }

  async #insert(tx: Tx, version: number): Promise<void> {
    const { masterKeyId, wrapped } = this.#ring.wrap(createSecretKey(randomBytes(32)), hashKeyAddress(version));
    await queries.insertHashKey(tx, { version, master_key_id: masterKeyId, wrapped_key: wrapped });
  }

  #keyOf(row: queries.HashKeyRow): KeyObject {
    const known = this.#unwrapped.get(row.version);
    if (known?.wrapped.equals(row.wrapped_key)) return known.key;
    const key = this.#unwrap(row);
    this.#unwrapped.set(row.version, { wrapped: row.wrapped_key, key });
    return key;
  }

  #unwrap(row: queries.HashKeyRow): KeyObject {
    return this.#ring.unwrap({ masterKeyId: row.master_key_id, wrapped: row.wrapped_key }, hashKeyAddress(row.version));
  }
}

function hashKeyAddress(version: number): CellAddress {
  return { table: 'identity.hash_keys', column: 'wrapped_key', rowId: String(version) };
}
