/** Shares of single creators, each from a moment on. One operation a function. */
import type { Tx } from '../../client.ts';
import { uuidv7 } from '../../uuid.ts';

/** The override that holds at `atMs`. Undefined: none, or one that gave the share back to the server's. */
export async function findShareBps(tx: Tx, creatorId: string, atMs: number): Promise<number | undefined> {
  const [row] = await tx.sql<{ share_bps: number | null }[]>`
    select share_bps from billing.creator_shares where creator_id = ${creatorId} and effective_from <= ${new Date(atMs)}
    order by effective_from desc limit 1`;
  return row?.share_bps ?? undefined;
}

export type ShareRow = { shareBps: number | null; effectiveFromMs: number; setBy: string | null };

/** @returns false when something else holds from the same moment on. */
export async function insertShare(tx: Tx, creatorId: string, row: ShareRow): Promise<boolean> {
  const { count } = await tx.sql`
    insert into billing.creator_shares (id, creator_id, share_bps, effective_from, set_by)
    values (${uuidv7()}, ${creatorId}, ${row.shareBps}, ${new Date(row.effectiveFromMs)}, ${row.setBy})
    on conflict (creator_id, effective_from) do nothing`;
  return count === 1;
}

/** Latest first. */
export async function listShares(tx: Tx, creatorId: string): Promise<ShareRow[]> {
  return tx.sql<ShareRow[]>`
    select share_bps as "shareBps", (extract(epoch from effective_from) * 1000)::float8 as "effectiveFromMs", set_by as "setBy"
    from billing.creator_shares where creator_id = ${creatorId} order by effective_from desc`;
}
