/** Recomputes chains and trees from the stored entries, page by page, in a worker. Reads only. */
import { readRows } from '../../../db/billing/proofs/rows.ts';
import type { Database } from '../../../db/client.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { ChainFault, ChainPlace, TreeRoot, TreeStop, WholeSubtree } from '../../../workers/tasks.ts';

export type ChainRead = {
  /** The last entry that is right. */
  place: ChainPlace;
  roots: TreeRoot[];
  fault: ChainFault | undefined;
  subtrees: WholeSubtree[];
};

const PAGE = 2_000;

/** @param toSeq an entry that should be there. @param stops sizes whose roots are asked for. */
export async function readOn(
  { db, runner }: { db: Database; runner: TaskRunner },
  from: ChainPlace,
  toSeq: number,
  stops: readonly TreeStop[] = [],
): Promise<ChainRead> {
  const { shard } = from;
  const read: ChainRead = { place: from, roots: [], fault: undefined, subtrees: [] };
  while (read.place.seq < toSeq && read.fault === undefined) {
    const { place } = read;
    const rows = await db.asService((tx) => readRows(tx, shard, place.seq, Math.min(toSeq, place.seq + PAGE)));
    const due = stops.filter(({ size }) => size > place.seq && size <= place.seq + PAGE);
    const input = { rows, starts: [place], stops: due };
    const found = await runner.run('billing/verify-rows', input, { priority: 'background' });
    read.place = found.places[0] ?? place;
    read.roots.push(...found.roots);
    read.subtrees.push(...found.subtrees);
    read.fault = found.faults[0];
    const isAtEnd = read.place.seq >= Math.min(toSeq, place.seq + PAGE);
    if (read.fault === undefined && !isAtEnd)
      read.fault = { shard, seq: read.place.seq + 1, problem: 'the entry is missing, the chain ends too early' };
  }
  return read;
}
