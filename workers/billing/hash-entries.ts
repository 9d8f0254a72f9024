/**
 * Task `billing/hash-entries`: continues the hash chains of the token ledger. Pure, so that an offline verifier can import it.
 *
 * The hash of an entry is SHA-256 over this binary form, version 1, all integers big-endian:
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
 */
import { hash } from 'node:crypto';
import type { ChainHead, HashedEntry, LedgerDraft } from '../tasks.ts';

export const HASH_VERSION = 1;
/** Chains that may grow independently. Part of the format: never changed. */
export const SHARDS = 8;
const NULL_LENGTH = 0xffff_ffff;
const FIXED_BYTES = 1 + 2 + 8 + 14 * 4 + 7 * 16 + 3 * 8 + 32;

/** The chain that an entry belongs to: the account that pays decides. Its id's last byte is random in versions 4 and 7. */
export function shardOf(fromAccount: string): number {
  return Number.parseInt(fromAccount.slice(-2), 16) % SHARDS;
}

/** What the first entry of a shard has as its previous hash. */
export function genesisHash(shard: number): string {
  return hash('sha256', `tsumugi.token_ledger.v1.shard.${shard}`, 'hex');
}

/** Hash of one entry at its place, 64 hexadecimal digits. */
export function hashEntry(entry: LedgerDraft, seq: number, prevHash: string): string {
  return hash('sha256', canonicalBytes(entry, seq, prevHash), 'hex');
}

/**
 * Gives each entry its place and hash, in the order given within each shard.
 * @throws RangeError when a shard has no head, or an entry is not of the form the ledger keeps.
 */
export function hashEntries(heads: readonly ChainHead[], entries: readonly LedgerDraft[]): HashedEntry[] {
  const ends = new Map(heads.map((head) => [head.shard, { seq: head.seq, hash: head.hash }]));
  return entries.map((entry) => {
    const end = ends.get(entry.shard);
    if (end === undefined) throw new RangeError(`No head was given for shard ${entry.shard}.`);
    const prevHash = end.hash;
    end.seq += 1;
    end.hash = hashEntry(entry, end.seq, prevHash);
    return { entryId: entry.entryId, shard: entry.shard, seq: end.seq, prevHash, hash: end.hash };
  });
}

/** The binary form described above. */
export function canonicalBytes(entry: LedgerDraft, seq: number, prevHash: string): Buffer {
  checkDraft(entry, seq, prevHash);
  const { asset, purpose, status, idempotencyKey } = entry;
  const texts = [asset, purpose, status, idempotencyKey].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const writer = new FieldWriter(FIXED_BYTES + texts);
  writer.head(entry.shard, seq);
  writer.uuid(entry.entryId);
  writer.uuid(entry.fromAccount);
  writer.uuid(entry.toAccount);
  writer.text(asset);
  writer.integer(entry.tokenAmount);
  writer.integer(entry.unitPriceMicro);
  writer.text(purpose);
  writer.text(status);
  writer.uuid(entry.reversesId);
  writer.uuid(entry.conversationId);
  writer.uuid(entry.messageId);
  writer.uuid(entry.generationId);
  writer.text(idempotencyKey);
  writer.integer(entry.createdAtMs);
  return writer.end(prevHash);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Everything that would be written differently from what is stored is refused, so that two entries never share a form. */
function checkDraft(entry: LedgerDraft, seq: number, prevHash: string): void {
  const { entryId, fromAccount, toAccount, reversesId, conversationId, messageId, generationId } = entry;
  for (const id of [entryId, fromAccount, toAccount, reversesId, conversationId, messageId, generationId]) {
    if (id !== null && !UUID.test(id)) throw new RangeError('An id is not a lower-case UUID.');
  }
  for (const value of [seq, entry.tokenAmount, entry.unitPriceMicro, entry.createdAtMs]) {
    if (!Number.isSafeInteger(value)) throw new RangeError('A number is not a safe integer.');
  }
  if (!Number.isInteger(entry.shard) || entry.shard < 0 || entry.shard >= SHARDS)
    throw new RangeError(`Shard ${entry.shard}?`);
  if (!/^[0-9a-f]{64}$/.test(prevHash)) throw new RangeError('The previous hash is not 64 hexadecimal digits.');
  for (const text of [entry.asset, entry.purpose, entry.status, entry.idempotencyKey]) {
    if (!text.isWellFormed()) throw new RangeError('A text holds half a surrogate pair.');
  }
}

class FieldWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  head(shard: number, seq: number): void {
    this.#at = this.#bytes.writeUInt8(HASH_VERSION, this.#at);
    this.#at = this.#bytes.writeUInt16BE(shard, this.#at);
    this.#at = this.#bytes.writeBigUInt64BE(BigInt(seq), this.#at);
  }

  uuid(id: string | null): void {
    if (id === null) {
      this.#at = this.#bytes.writeUInt32BE(NULL_LENGTH, this.#at);
      return;
    }
    this.#at = this.#bytes.writeUInt32BE(16, this.#at);
    this.#at += this.#bytes.write(id.replaceAll('-', ''), this.#at, 'hex');
  }

  text(text: string): void {
    const length = this.#bytes.write(text, this.#at + 4, 'utf8');
    this.#bytes.writeUInt32BE(length, this.#at);
    this.#at += 4 + length;
  }

  integer(value: number): void {
    this.#at = this.#bytes.writeUInt32BE(8, this.#at);
    this.#at = this.#bytes.writeBigInt64BE(BigInt(value), this.#at);
  }

  end(prevHash: string): Buffer {
    this.#at += this.#bytes.write(prevHash, this.#at, 'hex');
    return this.#bytes.subarray(0, this.#at);
  }
}
