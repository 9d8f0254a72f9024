/**
 * Whether the database still is what was signed of it. Asked before a gateway signs a shard: whoever has put an old copy of the
 * database in place, or has written it anew, must not get a signature for it.
 */
import { findLatestCheckpoint, readEnds } from '../../../db/billing/proofs/checkpoints.ts';
import { putTreeNodes, readEntryHashes } from '../../../db/billing/proofs/tree.ts';
import type { Database } from '../../../db/client.ts';
import { toHex } from '../../../protocol/ledger-proof/bytes.ts';
import { openCheckpoint, parseCheckpoint, parseNote } from '../../../protocol/ledger-proof/signed-note.ts';
import { genesisPlace } from '../../../workers/billing/verify-rows.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { ChainPlace } from '../../../workers/tasks.ts';
import { readOn } from './chain-reader.ts';
import type { CheckpointFiles } from './files.ts';
import type { CheckpointKeys } from './keys.ts';
import { Prover, TreeIncomplete } from './prover.ts';

/** What was signed and what is stored do not go together. */
export class Distrusted extends Error {
  override readonly name = 'Distrusted';
}

export type TrustParts = {
  db: Database;
  runner: TaskRunner;
  keys: CheckpointKeys;
  files: Pick<CheckpointFiles, 'last'>;
};
type Signed = { from: string; size: number; root: Uint8Array };

/** Up to this size a chain is read as a whole before it is signed again; a longer one while signing goes on. */
const READ_FIRST = 250_000;

/**
 * @returns where the signed tree stands, and what remains to be read in the background.
 * @throws Distrusted with what is wrong.
 */
export async function trustedPlace(
  parts: TrustParts,
  shard: number,
): Promise<{ place: ChainPlace; check: (() => Promise<void>) | undefined }> {
  const signed = await lastSigned(parts, shard);
  const largest = signed.reduce<Signed | undefined>((a, b) => (a !== undefined && a.size >= b.size ? a : b), undefined);
  if (largest === undefined) return { place: genesisPlace(shard), check: undefined };
  const [end] = await parts.db.asService((tx) => readEnds(tx, [shard]));
  if (end === undefined || end.seq < largest.size) {
    throw new Distrusted(
      `The chain of shard ${shard} ends at entry ${end?.seq ?? 0}, but ${largest.from} covers ${largest.size}: the database was rolled back, or entries from ${(end?.seq ?? 0) + 1} on were removed.`,
    );
  }
  const readWhole = () => checkWhole(parts, shard, largest.size, signed);
  if (largest.size <= READ_FIRST) return { place: await readWhole(), check: undefined };
  const place = await placeByNodes(parts, shard, largest.size, signed);
  if (place === undefined) return { place: await readWhole(), check: undefined };
  return {
    place,
    check: async () => {
      await readWhole();
    },
  };
}

/** Those of this log that lie outside of the database, and the database's own. */
async function lastSigned({ db, keys, files }: TrustParts, shard: number): Promise<Signed[]> {
  const onDisk = await files.last(shard);
  const stored = await db.asService((tx) => findLatestCheckpoint(tx, shard));
  const found: { from: string; note: string }[] = [];
  if (onDisk !== undefined) found.push({ from: `the last checkpoint of ${onDisk.file}`, note: onDisk.note });
  if (stored !== undefined) found.push({ from: 'the last checkpoint of the database', note: stored.note });
  const signed: Signed[] = [];
  for (const one of found) signed.push(...(await open(keys, shard, one)));
  return signed;
}

async function open(
  keys: CheckpointKeys,
  shard: number,
  { from, note }: { from: string; note: string },
): Promise<Signed[]> {
  try {
    // Another origin is another log: it says nothing about this one.
    if (parseCheckpoint(parseNote(note).text).origin !== keys.originOf(shard)) return [];
    return [{ from, ...(await openCheckpoint(note, keys.verifiersOf(shard))) }];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Distrusted(`${capital(from)} (shard ${shard}) is not to be trusted: ${error.message}`);
  }
}

/** By stored nodes and the last few entries: a few hundred rows. */
async function placeByNodes(
  { db }: TrustParts,
  shard: number,
  size: number,
  signed: readonly Signed[],
): Promise<ChainPlace | undefined> {
  return db.asService(async (tx) => {
    try {
      const prover = new Prover(tx, shard);
      for (const one of signed) if (!(await prover.root(one.size)).equals(one.root)) return undefined;
      const [last] = await readEntryHashes(tx, shard, size - 1, size);
      if (last === undefined) return undefined;
      return { shard, seq: size, hash: toHex(last), peaks: await prover.peaks(size) };
    } catch (error) {
      if (error instanceof TreeIncomplete) return undefined;
      throw error;
    }
  });
}

/** By every entry; nodes that are missing or wrong are put right. */
async function checkWhole(
  parts: TrustParts,
  shard: number,
  size: number,
  signed: readonly Signed[],
): Promise<ChainPlace> {
  const stops = signed.map((one) => ({ shard, size: one.size }));
  const { place, roots, fault, subtrees } = await readOn(parts, genesisPlace(shard), size, stops);
  if (fault !== undefined) throw new Distrusted(`Shard ${shard}, entry ${fault.seq}: ${fault.problem}.`);
  for (const one of signed) {
    const root = roots.find((found) => found.size === one.size)?.root ?? new Uint8Array();
    if (!Buffer.from(root).equals(one.root))
      throw new Distrusted(
        `The first ${one.size} entries of shard ${shard} are not those that ${one.from} covers: the chain was written anew.`,
      );
  }
  await parts.db.asService((tx) => putTreeNodes(tx, shard, subtrees));
  return place;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
