/** Encrypted columns as services use them: text in, bytes for the column out, and back. Finds the right key by itself. */
import type { Tx } from '../client.ts';
import type { DataKeys } from '../keys/data-keys.ts';
import {
  type CellAddress,
  decryptCell,
  encryptCell,
  keyIdOf,
  keyIdToUuid,
  UnreadableCellError,
  uuidToKeyId,
} from './encrypted.ts';

export class Cells {
  readonly #keys: DataKeys;

  constructor(keys: DataKeys) {
    this.#keys = keys;
  }

  /**
   * @param owner the user whose erasure shall make the cell unreadable; null for the server's own.
   * @example const emailEnc = await cells.encrypt(tx, userId, { table: 'identity.users', column: 'email_enc', rowId: userId }, mail);
   */
  async encrypt(tx: Tx, owner: string | null, cell: CellAddress, text: string): Promise<Buffer> {
    const { id, key } = await this.#keys.activeFor(tx, owner);
    return encryptCell(key, uuidToKeyId(id), cell, Buffer.from(text, 'utf8'));
  }

  /** @throws UnreadableCellError `no_key` after erasure, or when this transaction may not see the key. */
  async decrypt(tx: Tx, cell: CellAddress, sealed: Buffer): Promise<string> {
    const dataKey = await this.#keys.find(tx, keyIdToUuid(keyIdOf(cell, sealed)));
    if (dataKey === undefined) throw new UnreadableCellError('no_key', cell);
    return decryptCell(dataKey.key, cell, sealed).toString('utf8');
  }
}
