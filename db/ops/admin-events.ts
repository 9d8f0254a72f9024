/** Writes and reads what operators did. The table only grows; payloads carry codes and counts, never personal data. */
import type { Tx } from '../client.ts';

export type AdminEventRow = {
  id: string;
  atMs: number;
  adminUserId: string | null;
  action: string;
  target: { type: string; id: string } | null;
  /** 'begun': it changes something and was entered before it was carried out; nobody knows what came of it. */
  outcome: 'begun' | 'done' | 'refused' | 'failed';
  network: string | null;
  payload: Readonly<Record<string, string | number | boolean | null>>;
};

/** @param begunId the entry whose end this is. */
export async function insertAdminEvent(tx: Tx, row: AdminEventRow, begunId: string | null): Promise<void> {
  await tx.sql`
    insert into ops.admin_events (id, ts, admin_user_id, action, target_type, target_id, outcome, ip_prefix, payload, begun_id)
    values (${row.id}, ${new Date(row.atMs)}, ${row.adminUserId}, ${row.action}, ${row.target?.type ?? null},
      ${row.target?.id ?? null}, ${row.outcome}, ${row.network}::cidr, ${tx.sql.json(row.payload)}, ${begunId})`;
}

/** Newest first; what was begun is left out where its end is known. `before` is the id of the last row of the page before. */
export async function selectAdminEvents(tx: Tx, page: { before?: string; limit: number }): Promise<AdminEventRow[]> {
  type Row = Omit<AdminEventRow, 'target'> & { targetType: string | null; targetId: string | null };
  const rows = await tx.sql<Row[]>`
    select id, (extract(epoch from ts) * 1000)::float8 as "atMs", admin_user_id as "adminUserId", action,
      target_type as "targetType", target_id as "targetId", outcome, ip_prefix::text as network, payload
    from ops.admin_events e
    where not (outcome = 'begun' and exists (select from ops.admin_events ended where ended.begun_id = e.id))
      and (${page.before ?? null}::uuid is null or (ts, id) < (select b.ts, b.id from ops.admin_events b where b.id = ${page.before ?? null}::uuid))
    order by ts desc, id desc limit ${page.limit}`;
  return rows.map(({ targetType, targetId, ...row }) => ({
    ...row,
    target: targetType === null || targetId === null ? null : { type: targetType, id: targetId },
  }));
}
