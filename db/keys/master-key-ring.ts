/**
 * The master keys in use: wraps and unwraps data keys. Meets a key id it does not know by reading its source again, so that
 * a rotation reaches a running server without a restart.
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { type CellAddress, decryptCell, encryptCell } from '../columns/encrypted.ts';
import type { MasterKey, MasterKeySource } from './master-key-source.ts';

export type WrappedKey = Readonly<{ masterKeyId: string; wrapped: Buffer }>;

export class UnknownMasterKeyError extends Error {
  constructor(id: string) {
    super(
      `The database holds keys wrapped by the master key "${id}", which is not among the configured ones (TSUMUGI_MASTER_KEYS, or the file master-keys in the data folder).`,
    );
    this.name = 'UnknownMasterKeyError';
  }
}

export class MasterKeyRing {
  readonly #source: MasterKeySource;
  #keys: readonly MasterKey[];

  constructor(source: MasterKeySource) {
    this.#source = source;
    this.#keys = source.load();
  }

  /** Id of the key that wraps from now on. */
  get activeId(): string {
    return this.#active().id;
  }

  get ids(): string[] {
    return this.#keys.map((key) => key.id);
  }

  /** Reads the source again (SIGHUP). */
  reload(): void {
    this.#keys = this.#source.load();
  }

  /** @param at table, column and row of the wrapped key; it opens nowhere else. */
  wrap(key: KeyObject, at: CellAddress): WrappedKey {
    const master = this.#active();
    return { masterKeyId: master.id, wrapped: encryptCell(master.key, wrapId(master.id), at, key.export()) };
  }

  /** @throws UnknownMasterKeyError; UnreadableCellError when the wrapped key was tampered with. */
  unwrap(wrapped: WrappedKey, at: CellAddress): KeyObject {
    return createSecretKey(decryptCell(this.#get(wrapped.masterKeyId).key, at, wrapped.wrapped));
  }

  #active(): MasterKey {
    if (this.#source.changed()) this.reload();
    const [active] = this.#keys;
    if (active === undefined) throw new Error('There is no master key.');
    return active;
  }

  #get(id: string): MasterKey {
    const known = () => this.#keys.find((key) => key.id === id);
    let found = known();
    if (found === undefined && this.#source.changed()) {
      this.reload();
      found = known();
    }
    if (found === undefined) throw new UnknownMasterKeyError(id);
    return found;
  }
}

/** Master keys have names; the sealed format has 16 bytes for them. */
function wrapId(masterKeyId: string): Buffer {
  return createHash('sha256').update(`tsumugi master key ${masterKeyId}`).digest().subarray(0, 16);
}
