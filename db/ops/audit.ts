/** Writes of the security audit (000-R27, 003-R65). The table only grows; payloads never carry personal data or secrets. */
import type { Tx } from '../client.ts';

export type AuditRow = {
  id: string;
  atMs: number;
  userId: string | null;
  actorType: 'user' | 'admin' | 'service' | 'anonymous';
  actorId: string | null;
  action: string;
  target: { type: string; id: string } | null;
  ipEnc: Buffer | null;
  network: string | null;
  userAgent: string | null;
  payload: Readonly<Record<string, string | number | boolean | null>>;
};

export async function insertAudit(tx: Tx, row: AuditRow): Promise<void> {
  await tx.sql`
    insert into ops.audit_logs (id, ts, user_id, actor_type, actor_id, action, target_type, target_id, ip_enc, ip_prefix, ua, payload)
    values (${row.id}, ${new Date(row.atMs)}, ${row.userId}, ${row.actorType}, ${row.actorId}, ${row.action},
      ${row.target?.type ?? null}, ${row.target?.id ?? null}, ${row.ipEnc}, ${row.network}::cidr, ${row.userAgent}, ${tx.sql.json(row.payload)})`;
}
