/**
 * Checks an entry of the ledger in this browser, and remembers what was signed: the first key that is seen of a chain is the one
 * that counts from then on, until it signs beside another one, which takes its place; and the chain may only have grown since the last
 * time. So a server that rewrites the past is found out by everybody who has looked before.
 */
import type { LedgerEntry } from '../../../protocol/billing.ts';
import type { ConsistencyProof, EntryProof, ProvenEntry } from '../../../protocol/billing-proofs.ts';
import { type Checkpoint, openCheckpoint, parseVerifierKey } from '../../../protocol/ledger-proof/signed-note.ts';
import { type ProofFault, verifyEntryProof, verifyGrowth } from '../../../protocol/ledger-proof/verify-entry.ts';

/** `other`: it proves something else than what is shown; `key`: another key than before; `rewritten`: the log has not only grown. */
export type EntryCheck =
  | { ok: true; size: number; since: number | undefined }
  | { ok: false; fault: ProofFault | 'other' | 'key' | 'rewritten' };
/** What people see of an entry, as far as its hash covers it. */
export type ShownEntry = Pick<
  LedgerEntry,
  'shard' | 'seq' | 'hash' | 'asset' | 'tokenAmount' | 'purpose' | 'conversationId' | 'createdAt'
>;

type Remembered = { key: string; note: string };
export type LogMemory = Pick<Storage, 'getItem' | 'setItem'>;
/** @returns undefined when the server gives none. */
export type AskGrowth = (shard: number, from: number, to: number) => Promise<ConsistencyProof | undefined>;

export async function checkEntry(
  shown: ShownEntry,
  proof: EntryProof,
  memory: LogMemory,
  askGrowth: AskGrowth,
): Promise<EntryCheck> {
  if (!isSame(shown, proof.entry)) return { ok: false, fault: 'other' };
  const { shard } = shown;
  const place = `tsumugi.ledger.${shard}`;
  const remembered = readMemory(memory.getItem(place));
  const key = remembered?.key ?? proof.verifierKey;
  const keys = [await parseVerifierKey(key)];
  const found = await verifyEntryProof(proof, keys);
  if (!found.ok) {
    const isOtherKey = found.fault === 'checkpoint' && key !== proof.verifierKey;
    return isOtherKey && (await isSignedBy(proof.checkpoint, proof.verifierKey)) ? { ok: false, fault: 'key' } : found;
  }
  const before = remembered === undefined ? undefined : await openCheckpoint(remembered.note, keys);
  if (before !== undefined && !(await hasGrown(shard, before, found.checkpoint, askGrowth)))
    return { ok: false, fault: 'rewritten' };
  if (before === undefined || before.size <= found.checkpoint.size) {
    const heir = (await isSignedBy(proof.checkpoint, proof.verifierKey)) ? proof.verifierKey : key;
    memory.setItem(place, JSON.stringify({ key: heir, note: proof.checkpoint } satisfies Remembered));
  }
  return { ok: true, size: found.checkpoint.size, since: before?.size };
}

function isSame({ createdAt, ...shown }: ShownEntry, { createdAtMs, ...proven }: ProvenEntry): boolean {
  const names = ['shard', 'seq', 'hash', 'asset', 'tokenAmount', 'purpose', 'conversationId'] as const;
  return Date.parse(createdAt) === createdAtMs && names.every((name) => shown[name] === proven[name]);
}

async function isSignedBy(note: string, verifierKey: string): Promise<boolean> {
  try {
    await openCheckpoint(note, [await parseVerifierKey(verifierKey)]);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

async function hasGrown(shard: number, a: Checkpoint, b: Checkpoint, askGrowth: AskGrowth): Promise<boolean> {
  if (a.size === b.size) return verifyGrowth(a, b, []);
  const growth = await askGrowth(shard, Math.min(a.size, b.size), Math.max(a.size, b.size));
  return growth !== undefined && verifyGrowth(a, b, growth.path);
}

function readMemory(text: string | null): Remembered | undefined {
  if (text === null) return undefined;
  const { key, note } = JSON.parse(text) as Partial<Remembered>;
  return key === undefined || note === undefined ? undefined : { key, note };
}
