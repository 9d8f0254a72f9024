/**
 * Task `billing/hash-entries`: continues the hash chains of the token ledger. Pure, so that an offline verifier can import it.
 * The hash of an entry is SHA-256 over its binary form, which `protocol/ledger-proof/entry-form.ts` defines.
 */
import { hash } from 'node:crypto';
import { entryForm, FormWriter, genesisText, maxFormBytes, SHARDS } from '../../protocol/ledger-proof/entry-form.ts';
import type { ChainHead, HashedEntry, LedgerDraft } from '../tasks.ts';

export { HASH_VERSION, SHARDS } from '../../protocol/ledger-proof/entry-form.ts';

/** The chain that an entry belongs to: the account that pays decides. Its id's last byte is random in versions 4 and 7. */
export function shardOf(fromAccount: string): number {
  return Number.parseInt(fromAccount.slice(-2), 16) % SHARDS;
}

/** What the first entry of a shard has as its previous hash. */
export function genesisHash(shard: number): string {
  return hash('sha256', genesisText(shard), 'hex');
}

/** Room for the form of one entry. Nothing of it outlives a call. */
let scratch = Buffer.allocUnsafeSlow(4_096);

/** Hash of one entry at its place, 64 hexadecimal digits. */
export function hashEntry(entry: LedgerDraft, seq: number, prevHash: string): string {
  const size = maxFormBytes(entry);
  if (size > scratch.length) scratch = Buffer.allocUnsafeSlow(size * 2);
  const length = new FormWriter(scratch).write(entry, seq, prevHash);
  return hash('sha256', scratch.subarray(0, length), 'hex');
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

/** The binary form itself. */
export function canonicalBytes(entry: LedgerDraft, seq: number, prevHash: string): Buffer {
  return Buffer.from(entryForm(entry, seq, prevHash).buffer);
}
