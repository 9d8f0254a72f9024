/**
 * Encryption of one cell: AES-256-GCM, bound to its table, column, row and key. Pure; knows no keys but the one it is given.
 * Layout: version (1 byte) | key id (16) | IV (12) | ciphertext | tag (16).
 * Refuses anything that was changed, cut, moved to another cell or written under another key.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

const VERSION = 1;
const KEY_ID_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + KEY_ID_BYTES + IV_BYTES;
const GCM = { authTagLength: TAG_BYTES } as const;

/** Where a value stands. A ciphertext is worthless anywhere else. */
export type CellAddress = Readonly<{ table: string; column: string; rowId: string }>;

export class UnreadableCellError extends Error {
  readonly reason: 'malformed' | 'no_key' | 'not_authentic';

  constructor(reason: UnreadableCellError['reason'], cell: CellAddress) {
    super(`${cell.table}.${cell.column} of row ${cell.rowId} cannot be read: ${reason}.`);
    this.name = 'UnreadableCellError';
    this.reason = reason;
  }
}

/** @param keyId 16 bytes; a random IV allows about 2^32 cells under one key. */
export function encryptCell(key: KeyObject, keyId: Buffer, cell: CellAddress, plaintext: Uint8Array): Buffer {
  if (keyId.length !== KEY_ID_BYTES) throw new RangeError(`A key id has ${KEY_ID_BYTES} bytes, got ${keyId.length}.`);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv, GCM);
  cipher.setAAD(boundTo(cell, keyId));
  return Buffer.concat([Buffer.of(VERSION), keyId, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws UnreadableCellError `malformed` or `not_authentic`. */
export function decryptCell(key: KeyObject, cell: CellAddress, sealed: Buffer): Buffer {
  const keyId = keyIdOf(cell, sealed);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1 + KEY_ID_BYTES, HEAD_BYTES), GCM);
  decipher.setAAD(boundTo(cell, keyId));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, sealed.length - TAG_BYTES)), decipher.final()]);
  } catch {
    throw new UnreadableCellError('not_authentic', cell);
  }
}

/** The id of the key that a cell was written under. @throws UnreadableCellError `malformed`. */
export function keyIdOf(cell: CellAddress, sealed: Buffer): Buffer {
  if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== VERSION) throw new UnreadableCellError('malformed', cell);
  return sealed.subarray(1, 1 + KEY_ID_BYTES);
}

export function uuidToKeyId(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function keyIdToUuid(keyId: Buffer): string {
  const hex = keyId.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** JSON of a list, because joined strings could be cut elsewhere: ("a", "bc") and ("ab", "c") must differ. */
function boundTo(cell: CellAddress, keyId: Buffer): Buffer {
  return Buffer.from(JSON.stringify([VERSION, cell.table, cell.column, cell.rowId, keyId.toString('hex')]));
}
