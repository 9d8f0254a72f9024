/** Who may lengthen which chain, by the database's clock. A change of leader raises the epoch: the old one is fenced. */
import type { ChainHead } from '../../../workers/tasks.ts';
import type { Tx } from '../../client.ts';

export type LedHead = ChainHead & { epoch: number };
type RawHead = { shard: number; epoch: string; seq: string; hash: string };

/** Takes up to `limit` shards that nobody leads. Two takers never wait for each other, and never get the same one. */
export async function takeFreeShards(tx: Tx, leader: string, ttlMs: number, limit: number): Promise<LedHead[]> {
  const rows = await tx.sql<RawHead[]>`
    update billing.ledger_heads head
    set leader = ${leader}, epoch = head.epoch + 1, lease_until = clock_timestamp() + make_interval(secs => ${ttlMs / 1_000})
    from (select shard from billing.ledger_heads where lease_until < clock_timestamp() order by random() limit ${limit}
      for update skip locked) as free
    where head.shard = free.shard
    returning head.shard, head.epoch, head.seq, encode(head.hash, 'hex') as hash`;
  return rows.map(toHead);
}

/** Lengthens the leases of a leader. @returns the shards that are still his. */
export async function renewLeases(tx: Tx, leader: string, heads: readonly LedHead[], ttlMs: number): Promise<number[]> {
  const rows = await tx.sql<{ shard: number }[]>`
    update billing.ledger_heads head set lease_until = clock_timestamp() + make_interval(secs => ${ttlMs / 1_000})
    from unnest(${heads.map(({ shard }) => shard)}::smallint[], ${heads.map(({ epoch }) => epoch)}::bigint[]) as mine (shard, epoch)
    where head.shard = mine.shard and head.epoch = mine.epoch and head.leader = ${leader}
    returning head.shard`;
  return rows.map(({ shard }) => shard);
}

/** Gives the leases back: others may take them at once. */
export async function releaseLeases(tx: Tx, leader: string): Promise<void> {
  await tx.sql`
    update billing.ledger_heads set leader = null, epoch = epoch + 1, lease_until = '-infinity' where leader = ${leader}`;
}

/** The ends of chains as they stand, of those that this leader leads. */
export async function readLedHeads(tx: Tx, leader: string): Promise<LedHead[]> {
  const rows = await tx.sql<RawHead[]>`
    select shard, epoch, seq, encode(hash, 'hex') as hash from billing.ledger_heads where leader = ${leader}`;
  return rows.map(toHead);
}

function toHead({ shard, epoch, seq, hash }: RawHead): LedHead {
  return { shard, epoch: Number(epoch), seq: Number(seq), hash };
}
