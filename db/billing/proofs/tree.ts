/** Nodes of the ledger's Merkle trees, and the hashes that are their leaves. */
import type { Tx } from '../../client.ts';

export type TreeNode = { level: number; index: number; hash: string };

/** Hashes of entries from a place (from 0) up to, without, another; in order. Fewer where some are missing. */
export async function readEntryHashes(tx: Tx, shard: number, from: number, to: number): Promise<Buffer[]> {
  const rows = await tx.sql<{ hash: Buffer }[]>`
    select hash from billing.token_ledger where shard = ${shard} and seq > ${from} and seq <= ${to} order by seq`;
  return rows.map(({ hash }) => hash);
}

/** Roots of whole subtrees of a level, from an index up to, without, another; in order. Fewer where some are missing. */
export async function readTreeNodes(tx: Tx, shard: number, level: number, from: number, to: number): Promise<Buffer[]> {
  const rows = await tx.sql<{ hash: Buffer }[]>`
    select hash from billing.ledger_tree_nodes
    where shard = ${shard} and level = ${level} and index >= ${from} and index < ${to} order by index`;
  return rows.map(({ hash }) => hash);
}

/** What stands there already is replaced: it is only ever what the entries give. */
export async function putTreeNodes(tx: Tx, shard: number, nodes: readonly TreeNode[]): Promise<void> {
  if (nodes.length === 0) return;
  await tx.sql`
    insert into billing.ledger_tree_nodes as n (shard, level, index, hash)
    select ${shard}, t.level, t.index, decode(t.hash, 'hex')
    from unnest(${nodes.map(({ level }) => level)}::smallint[], ${nodes.map(({ index }) => index)}::bigint[],
      ${nodes.map(({ hash }) => hash)}::text[]) as t (level, index, hash)
    on conflict (shard, level, index) do update set hash = excluded.hash where n.hash <> excluded.hash`;
}

/** All of a shard: one for 256 entries. */
export async function readAllTreeNodes(tx: Tx, shard: number): Promise<TreeNode[]> {
  const rows = await tx.sql<{ level: number; index: string; hash: string }[]>`
    select level, index, encode(hash, 'hex') as hash from billing.ledger_tree_nodes where shard = ${shard}`;
  return rows.map(({ level, index, hash }) => ({ level, index: Number(index), hash }));
}
