/** Checkpoints as they are handed out. */
import type { Tx } from '../../client.ts';

export type StoredCheckpoint = { shard: number; size: number; note: string };

/** Once for each size: whoever comes second has signed the same tree. */
export async function insertCheckpoint(tx: Tx, { shard, size, note }: StoredCheckpoint): Promise<void> {
  await tx.sql`
    insert into billing.ledger_checkpoints (shard, size, note) values (${shard}, ${size}, ${note})
    on conflict (shard, size) do nothing`;
}

/** The largest of a shard. */
export async function findLatestCheckpoint(tx: Tx, shard: number): Promise<StoredCheckpoint | undefined> {
  const [row] = await tx.sql<{ size: string; note: string }[]>`
    select size, note from billing.ledger_checkpoints where shard = ${shard} order by size desc limit 1`;
  return row === undefined ? undefined : { shard, size: Number(row.size), note: row.note };
}

/**
 * The newest of a shard, and of the older ones each so many-th, smallest first. A busy server has millions within a year, and what was
 * changed in an entry contradicts every checkpoint behind it.
 */
export async function listCheckpoints(tx: Tx, shard: number, newest = 2_000, each = 500): Promise<StoredCheckpoint[]> {
  const rows = await tx.sql<{ size: string; note: string }[]>`
    select size, note from (
      select size, note, row_number() over (order by size desc) as place from billing.ledger_checkpoints where shard = ${shard}) as placed
    where place <= ${newest} or place % ${each} = 0 order by size`;
  return rows.map(({ size, note }) => ({ shard, size: Number(size), note }));
}

/** Where chains end, of these shards. */
export async function readEnds(tx: Tx, shards: readonly number[]): Promise<{ shard: number; seq: number }[]> {
  const rows = await tx.sql<{ shard: number; seq: string }[]>`
    select shard, seq from billing.ledger_heads where shard = any(${[...shards]}::smallint[]) order by shard`;
  return rows.map(({ shard, seq }) => ({ shard, seq: Number(seq) }));
}
