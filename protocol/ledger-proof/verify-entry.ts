/** Verifies the proof of one entry without trusting who sent it: in the page, or in any other program. */
import type { EntryProof } from '../billing-proofs.ts';
import { fromHex, sha256, toHex } from './bytes.ts';
import { entryForm } from './entry-form.ts';
import { leafHash, verifyConsistency, verifyInclusion } from './merkle.ts';
import { type Checkpoint, openCheckpoint, type VerifierKey } from './signed-note.ts';

/** `hash`: the fields are not those that were hashed; `checkpoint`: it is not signed by a known key; `path`: it is not in the tree. */
export type ProofFault = 'hash' | 'checkpoint' | 'path';
export type ProofResult = { ok: true; checkpoint: Checkpoint } | { ok: false; fault: ProofFault };

/** @param keys known from elsewhere: whoever takes them from the same answer trusts its sender. */
export async function verifyEntryProof(proof: EntryProof, keys: readonly VerifierKey[]): Promise<ProofResult> {
  const { entry, size, path } = proof;
  try {
    const form = entryForm(entry, entry.seq, entry.prevHash);
    if (toHex(await sha256(form)) !== entry.hash) return { ok: false, fault: 'hash' };
  } catch (error) {
    if (error instanceof RangeError) return { ok: false, fault: 'hash' };
    throw error;
  }
  const checkpoint = await openOrNone(proof.checkpoint, keys);
  // Each shard is a log of its own.
  if (checkpoint === undefined || checkpoint.size !== size || !checkpoint.origin.endsWith(`/${entry.shard}`))
    return { ok: false, fault: 'checkpoint' };
  const leaf = await leafHash(fromHex(entry.hash));
  const isIncluded = await verifyInclusion(leaf, entry.seq - 1, size, path.map(fromHex), checkpoint.root);
  return isIncluded ? { ok: true, checkpoint } : { ok: false, fault: 'path' };
}

/** Whether the log has only grown from one checkpoint to the other, whichever is the larger. */
export function verifyGrowth(a: Checkpoint, b: Checkpoint, path: readonly string[]): Promise<boolean> {
  const [first, second] = a.size <= b.size ? [a, b] : [b, a];
  if (first.origin !== second.origin) return Promise.resolve(false);
  return verifyConsistency(first, second, path.map(fromHex));
}

async function openOrNone(note: string, keys: readonly VerifierKey[]): Promise<Checkpoint | undefined> {
  try {
    return await openCheckpoint(note, keys);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
