/** Takes pending entries over into their chains; see `billing.book` in the migrations. */
import type { HashedEntry } from '../../../workers/tasks.ts';
import { plainArray } from '../../arrays.ts';
import type { Tx } from '../../client.ts';
import type { LedHead } from './leases.ts';

/** SQLSTATE of `billing.book`. */
export const FENCED = 'TL001';
export const NOT_PENDING = 'TL002';

/** What is used now of a cap that was counted against. */
export type Spent = { kind: 'account' | 'organization'; subject: string; usedTokens: number; capTokens: number };

/**
 * One statement; all or nothing.
 * @param heads of all shards of `hashed`, as they were hashed upon.
 * @throws an error with code `FENCED` or `NOT_PENDING`.
 */
export async function bookPending(
  tx: Tx,
  heads: readonly LedHead[],
  hashed: readonly HashedEntry[],
  hashVersion: number,
): Promise<Spent[]> {
  const ends = new Map(hashed.map((entry) => [entry.shard, entry]));
  const moved = heads.filter(({ shard }) => ends.has(shard));
  const ofHeads = (of: (head: LedHead) => string | number): string => plainArray(moved.map(of));
  const ofRows = (of: (entry: HashedEntry) => string | number): string => plainArray(hashed.map(of));
  const rows = await tx.sql<{ kind: Spent['kind']; subject: string; used: string; cap: string }[]>`
    select kind, subject, used, cap from billing.book(
      ${ofHeads((head) => head.shard)}::smallint[], ${ofHeads((head) => head.epoch)}::bigint[],
      ${ofHeads((head) => head.seq)}::bigint[], ${ofHeads((head) => head.hash)}::text[],
      ${ofHeads((head) => ends.get(head.shard)?.seq ?? 0)}::bigint[], ${ofHeads((head) => ends.get(head.shard)?.hash ?? '')}::text[],
      ${ofRows((entry) => entry.entryId)}::uuid[], ${ofRows((entry) => entry.shard)}::smallint[],
      ${ofRows((entry) => entry.seq)}::bigint[], ${ofRows((entry) => entry.hash)}::text[],
      ${ofRows((entry) => entry.prevHash)}::text[], ${hashVersion}::smallint)`;
  return rows.map(({ kind, subject, used, cap }) => ({
    kind,
    subject,
    usedTokens: Number(used),
    capTokens: Number(cap),
  }));
}
