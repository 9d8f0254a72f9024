/**
 * The binary form of an entry that its hash covers, version 1. All integers big-endian:
 *
 *     u8   version = 1
 *     u16  shard
 *     u64  sequence in the shard, from 1
 *     then each field as u32 length and that many bytes; length 0xFFFFFFFF and no bytes for NULL:
 *       entry id (16 bytes), from account (16), to account (16), asset (UTF-8), token amount (i64),
 *       unit price in millionths (i64), purpose (UTF-8), status (UTF-8), reversed entry's id (16),
 *       conversation id (16), message id (16), generation id (16), idempotency key (UTF-8),
 *       created at in milliseconds since the epoch (i64)
 *     32 bytes: hash of the previous entry of the shard, or the shard's genesis hash
 *
 * Written into a buffer of the caller, by hand: workers hash hundreds of thousands of entries a second with it, and the page the
 * entries of its user. Whatever would be written differently from what is stored is refused, so that no two entries share a form.
 */

export const HASH_VERSION = 1;
/** Chains that may grow independently. Part of the format: never changed. */
export const SHARDS = 8;
/** What the first entry of a shard has as its previous hash is the SHA-256 of this. */
export const genesisText = (shard: number): string => `tsumugi.token_ledger.v1.shard.${shard}`;

export type EntryFields = {
  entryId: string;
  shard: number;
  fromAccount: string;
  toAccount: string;
  asset: string;
  tokenAmount: number;
  unitPriceMicro: number;
  purpose: string;
  status: string;
  reversesId: string | null;
  conversationId: string | null;
  messageId: string | null;
  generationId: string | null;
  idempotencyKey: string;
  createdAtMs: number;
};

const HEAD_BYTES = 1 + 2 + 8;
const FIXED_BYTES = HEAD_BYTES + 14 * 4 + 7 * 16 + 3 * 8 + 32;
const TWO_32 = 2 ** 32;

/** Bytes that the form of an entry may take at most. */
export function maxFormBytes(entry: EntryFields): number {
  const { asset, purpose, status, idempotencyKey } = entry;
  return FIXED_BYTES + 3 * (asset.length + purpose.length + status.length + idempotencyKey.length);
}

/** What has no text in it can be written without looking at the bytes again. */
export class FormWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  /** @throws RangeError when the entry is not of the form the ledger keeps. @returns the length of the form */
  write(entry: EntryFields, seq: number, prevHash: string): number {
    this.head(entry.shard, seq);
    this.uuid(entry.entryId);
    this.uuid(entry.fromAccount);
    this.uuid(entry.toAccount);
    this.text(entry.asset);
    this.integer(entry.tokenAmount);
    this.integer(entry.unitPriceMicro);
    this.text(entry.purpose);
    this.text(entry.status);
    this.uuid(entry.reversesId);
    this.uuid(entry.conversationId);
    this.uuid(entry.messageId);
    this.uuid(entry.generationId);
    this.text(entry.idempotencyKey);
    this.integer(entry.createdAtMs);
    if (prevHash.length !== 64) throw new RangeError('The previous hash is not 64 hexadecimal digits.');
    this.digits(prevHash, 0, 64, 'The previous hash is not 64 hexadecimal digits.');
    return this.at;
  }

  head(shard: number, seq: number): void {
    if (!Number.isInteger(shard) || shard < 0 || shard >= SHARDS) throw new RangeError(`Shard ${shard}?`);
    this.bytes[0] = HASH_VERSION;
    this.bytes[1] = 0;
    this.bytes[2] = shard;
    this.at = 3;
    this.#i64(seq);
  }

  uuid(id: string | null): void {
    if (id === null) {
      this.#u32(TWO_32 - 1);
      return;
    }
    if (id.length !== 36) throw new RangeError(NOT_A_UUID);
    for (const place of [8, 13, 18, 23]) if (id.charCodeAt(place) !== HYPHEN) throw new RangeError(NOT_A_UUID);
    this.#u32(16);
    this.digits(id, 0, 8, NOT_A_UUID);
    this.digits(id, 9, 13, NOT_A_UUID);
    this.digits(id, 14, 18, NOT_A_UUID);
    this.digits(id, 19, 23, NOT_A_UUID);
    this.digits(id, 24, 36, NOT_A_UUID);
  }

  text(text: string): void {
    const { bytes } = this;
    const start = this.at + 4;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        this.#wideText(text, start);
        return;
      }
      bytes[start + index] = code;
    }
    this.#u32(text.length);
    this.at = start + text.length;
  }

  integer(value: number): void {
    this.#u32(8);
    this.#i64(value);
  }

  /** Lower-case hexadecimal digits of a text, two a byte. */
  digits(text: string, from: number, to: number, problem: string): void {
    const { bytes } = this;
    for (let index = from; index < to; index += 2) {
      const value = digitValue(text.charCodeAt(index)) * 16 + digitValue(text.charCodeAt(index + 1));
      if (!(value >= 0)) throw new RangeError(problem);
      bytes[this.at++] = value;
    }
  }

  #wideText(text: string, start: number): void {
    if (!text.isWellFormed()) throw new RangeError('A text holds half a surrogate pair.');
    const { written } = encoder.encodeInto(text, this.bytes.subarray(start));
    this.#u32(written);
    this.at = start + written;
  }

  #u32(value: number): void {
    const { bytes, at } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.at = at + 4;
  }

  /** Two's complement, without a detour by way of BigInt. */
  #i64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError('A number is not a safe integer.');
    const high = Math.floor(value / TWO_32);
    this.#u32(high >>> 0);
    this.#u32((value - high * TWO_32) >>> 0);
  }
}

const encoder = new TextEncoder();
const HYPHEN = 0x2d;
const NOT_A_UUID = 'An id is not a lower-case UUID.';

/** NaN where it is no lower-case hexadecimal digit. */
function digitValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : Number.NaN;
}

/** A copy of its own. @throws RangeError when the entry is not of the form the ledger keeps. */
export function entryForm(entry: EntryFields, seq: number, prevHash: string): Uint8Array<ArrayBuffer> {
  const writer = new FormWriter(new Uint8Array(maxFormBytes(entry)));
  return writer.bytes.slice(0, writer.write(entry, seq, prevHash));
}
