/** Verifies a whole ledger against its checkpoints: from an export alone, or in a database with everything that belongs to it. */
import { readHeads } from '../../../db/billing/ledger.ts';
import { findLatestCheckpoint, listCheckpoints } from '../../../db/billing/proofs/checkpoints.ts';
import { streamRows } from '../../../db/billing/proofs/rows.ts';
import { readAllTreeNodes } from '../../../db/billing/proofs/tree.ts';
import type { Database } from '../../../db/client.ts';
import { SHARDS } from '../../../workers/billing/hash-entries.ts';
import { NODE_WIDTH } from '../../../workers/billing/merkle-tree.ts';
import { genesisPlace, RowVerifier } from '../../../workers/billing/verify-rows.ts';
import type { ChainFault, WholeSubtree } from '../../../workers/tasks.ts';
import { findWrongSums } from '../chain-check.ts';
import { type CheckpointBook, judgeCheckpoints } from './checkpoint-book.ts';
import { readExport, wholeLines } from './export-file.ts';
import type { CheckpointFiles } from './files.ts';

export type LedgerReport = {
  ok: boolean;
  entries: number;
  /** `covered`: entries that the last right checkpoint stands for. */
  shards: { shard: number; entries: number; checkpoints: number; covered: number }[];
  /** The first of each shard first; `shard` and `seq` are null where a fault has no place in a chain. */
  faults: { shard: number | null; seq: number | null; problem: string }[];
  notes: string[];
};

const everyShard = Array.from({ length: SHARDS }, (_, shard) => shard);

/** Needs nothing but the file and the checkpoints. @throws BadExport */
export async function verifyExport(path: string, book: CheckpointBook): Promise<LedgerReport> {
  const verifier = new RowVerifier(everyShard.map(genesisPlace), book.stops);
  for await (const lines of readExport(path)) {
    verifier.push(lines);
    verifier.takeSubtrees();
  }
  return report(book, verifier, []);
}

/** Everything: hashes, chains, heads, balances, trees, checkpoints. Others may go on booking meanwhile. */
export async function verifyDatabase(
  db: Database,
  files: CheckpointFiles,
  book: CheckpointBook,
): Promise<LedgerReport> {
  await addCheckpoints(db, files, book);
  const heads = await db.asService(readHeads);
  const verifier = new RowVerifier(everyShard.map(genesisPlace), book.stops);
  const faults: LedgerReport['faults'] = [];
  if (heads.length !== SHARDS)
    faults.push({ shard: null, seq: null, problem: `${heads.length} heads instead of ${SHARDS}` });
  for (const head of heads) {
    const { shard } = head;
    // Where it ended when this began, so that what is booked meanwhile is left for the next time.
    await db.asService(async (tx) => {
      for await (const lines of wholeLines(streamRows(tx, shard, 0, head.seq))) verifier.push(lines);
    });
    faults.push(...(await checkNodes(db, shard, verifier.takeSubtrees())));
    const place = verifier.places[shard];
    if (verifier.isFaulty(shard) || place === undefined) continue;
    const fault = (seq: number, problem: string) => faults.push({ shard, seq, problem });
    if (place.seq < head.seq) fault(place.seq + 1, 'the entry is missing, the chain ends too early');
    else if (place.hash !== head.hash) fault(place.seq, 'the stored end of the chain has another hash');
    if (head.lastSeq > head.seq) fault(head.seq + 1, 'there is an entry behind the stored end of the chain');
  }
  faults.push(...(await findWrongSums(db)));
  return report(book, verifier, faults);
}

/** Those of the database and those of the files, read behind them: a file had each of them first, and of one that none has is told. */
async function addCheckpoints(db: Database, files: CheckpointFiles, book: CheckpointBook): Promise<void> {
  const stored = await Promise.all(everyShard.map((shard) => db.asService((tx) => listCheckpoints(tx, shard))));
  await book.addFiles(files);
  const inFiles = new Set(book.checkpoints.map(({ shard, size }) => `${shard}.${size}`));
  for (const [shard, own] of stored.entries()) {
    for (const { note } of own) await book.add(shard, 'the database', note);
    const missing = own.filter(({ size }) => !inFiles.has(`${shard}.${size}`)).length;
    if (missing > 0)
      book.notes.push(
        `shard ${shard}: ${missing} checkpoints of the database are in no file of ${files.folder}: another gateway has them, or they were removed`,
      );
  }
}

/** Stored nodes are what proofs are made of: each must be what the entries give, as far as checkpoints reach. */
async function checkNodes(db: Database, shard: number, subtrees: readonly WholeSubtree[]): Promise<ChainFault[]> {
  const [stored, latest] = await db.asService((tx) =>
    Promise.all([readAllTreeNodes(tx, shard), findLatestCheckpoint(tx, shard)]),
  );
  const byPlace = new Map(stored.map(({ level, index, hash }) => [`${level}.${index}`, hash]));
  for (const { level, index, hash } of subtrees) {
    const width = NODE_WIDTH ** level;
    const node = byPlace.get(`${level}.${index}`);
    const seq = index * width + 1;
    if (node === undefined && (index + 1) * width <= (latest?.size ?? 0))
      return [
        {
          shard,
          seq,
          problem: `a node of the stored tree is missing (level ${level}, ${index}); the next start of a server puts it right`,
        },
      ];
    if (node !== undefined && node !== hash)
      return [
        { shard, seq, problem: `a node of the stored tree (level ${level}, ${index}) is not what its entries give` },
      ];
  }
  return [];
}

function report(
  book: CheckpointBook,
  verifier: RowVerifier,
  others: readonly LedgerReport['faults'][number][],
): LedgerReport {
  const ends = new Map(verifier.places.map(({ shard, seq }) => [shard, seq]));
  const broken = new Set([...verifier.faults, ...others].flatMap(({ shard }) => (shard === null ? [] : [shard])));
  const signed = judgeCheckpoints(book, verifier.roots, ends, broken);
  // Those with a place in a chain first: what follows from them comes behind.
  const faults = [...verifier.faults, ...others, ...signed, ...book.faults].toSorted(
    (a, b) => Number(a.shard === null) - Number(b.shard === null),
  );
  const wrong = new Map(signed.map(({ shard, seq }) => [shard, seq]));
  const shards = verifier.places.map(({ shard, seq: entries }) => {
    const own = book.checkpoints.filter((one) => one.shard === shard);
    const right = own.filter(({ size }) => size <= entries && size < (wrong.get(shard) ?? Number.POSITIVE_INFINITY));
    return { shard, entries, checkpoints: own.length, covered: Math.max(0, ...right.map(({ size }) => size)) };
  });
  return { ok: faults.length === 0, entries: verifier.rows, shards, faults, notes: book.notes };
}
