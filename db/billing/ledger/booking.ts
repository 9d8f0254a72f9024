/** Takes pending entries over into their chains; see `billing.book` in migration 0012. */
import type { HashedEntry } from '../../../workers/tasks.ts';
import type { Tx } from '../../client.ts';
import type { LedHead } from './leases.ts';

/** SQLSTATE of `billing.book`. */
export const FENCED = 'TL001';
export const NOT_PENDING = 'TL002';

/** New figures of whoever was touched. `cap` only with what was used. */
export type Touched = {
  kind: 'token' | 'addon_token' | 'used' | 'organization_used';
  /** An account; for `organization_used` an organisation. */
  subject: string;
  amount: number;
  cap: number | null;
};

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
): Promise<Touched[]> {
  const ends = new Map(hashed.map((entry) => [entry.shard, entry]));
  const moved = heads.filter(({ shard }) => ends.has(shard));
  const rows = await tx.sql<{ kind: Touched['kind']; subject: string; amount: string; cap: string | null }[]>`
    select kind, subject, amount, cap from billing.book(
      ${moved.map((head) => head.shard)}::smallint[], ${moved.map((head) => head.epoch)}::bigint[],
      ${moved.map((head) => head.seq)}::bigint[], ${moved.map((head) => head.hash)}::text[],
      ${moved.map((head) => ends.get(head.shard)?.seq ?? 0)}::bigint[], ${moved.map((head) => ends.get(head.shard)?.hash ?? '')}::text[],
      ${hashed.map((entry) => entry.entryId)}::uuid[], ${hashed.map((entry) => entry.shard)}::smallint[],
      ${hashed.map((entry) => entry.seq)}::bigint[], ${hashed.map((entry) => entry.hash)}::text[],
      ${hashed.map((entry) => entry.prevHash)}::text[], ${hashVersion}::smallint)`;
  return rows.map(({ kind, subject, amount, cap }) => ({
    kind,
    subject,
    amount: Number(amount),
    cap: cap === null ? null : Number(cap),
  }));
}
