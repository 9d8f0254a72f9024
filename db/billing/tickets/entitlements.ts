/** Rights to things (001-R25, R55, R62); one operation a function. */
import type { Tx } from '../../client.ts';

export type EntitlementRow = {
  id: string;
  userId: string;
  type: string;
  itemId: string;
  source: 'purchase' | 'grant' | 'restore';
  sourcePurchaseId: string | null;
  grantedBy: string | null;
  grantedAt: Date;
  revokedAt: Date | null;
  revokeReason: string | null;
};

const columns = (tx: Tx) => tx.sql`
  id, user_id as "userId", entitlement_type as type, entitlement_id as "itemId", source, source_purchase_id as "sourcePurchaseId",
  granted_by as "grantedBy", granted_at as "grantedAt", revoked_at as "revokedAt", revoke_reason as "revokeReason"`;

/** @returns false when a valid one for the same thing is there. */
export async function insertEntitlement(
  tx: Tx,
  row: Omit<EntitlementRow, 'grantedAt' | 'revokedAt' | 'revokeReason'>,
): Promise<boolean> {
  const made = await tx.sql`
    insert into billing.user_entitlements (id, user_id, entitlement_type, entitlement_id, source, source_purchase_id, granted_by)
    values (${row.id}, ${row.userId}, ${row.type}, ${row.itemId}, ${row.source}, ${row.sourcePurchaseId}, ${row.grantedBy})
    on conflict (user_id, entitlement_type, entitlement_id) where revoked_at is null do nothing`;
  return made.count === 1;
}

export async function findValidEntitlement(
  tx: Tx,
  userId: string,
  type: string,
  itemId: string,
): Promise<EntitlementRow | undefined> {
  const [row] = await tx.sql<EntitlementRow[]>`
    select ${columns(tx)} from billing.user_entitlements
    where user_id = ${userId} and entitlement_type = ${type} and entitlement_id = ${itemId} and revoked_at is null`;
  return row;
}

/** @returns what was revoked: at most one right is valid at a time. */
export async function revokeBySource(tx: Tx, purchaseId: string, reason: string): Promise<EntitlementRow[]> {
  return await tx.sql<EntitlementRow[]>`
    update billing.user_entitlements set revoked_at = now(), revoke_reason = ${reason}, revoke_cause = 'money'
    where source_purchase_id = ${purchaseId} and revoked_at is null returning ${columns(tx)}`;
}

/** Somebody's decision: what had a purchase does not come back with its money. */
export async function revokeEntitlement(
  tx: Tx,
  userId: string,
  id: string,
  by: { reason: string; revokedBy: string | null },
): Promise<EntitlementRow | undefined> {
  const [row] = await tx.sql<EntitlementRow[]>`
    update billing.user_entitlements
    set revoked_at = now(), revoke_reason = ${by.reason}, revoke_cause = 'decision', revoked_by = ${by.revokedBy}
    where id = ${id} and user_id = ${userId} and revoked_at is null returning ${columns(tx)}`;
  return row;
}

/** Whether the right that a purchase gave was ended by a decision. */
export async function wasEndedByDecision(tx: Tx, purchaseId: string): Promise<boolean> {
  const [row] = await tx.sql`
    select 1 from billing.user_entitlements where source_purchase_id = ${purchaseId} and revoke_cause = 'decision' limit 1`;
  return row !== undefined;
}

/** Newest first. */
export async function listEntitlements(
  tx: Tx,
  userId: string,
  options: { validOnly: boolean; before?: string | undefined; limit: number },
): Promise<EntitlementRow[]> {
  return await tx.sql<EntitlementRow[]>`
    select ${columns(tx)} from billing.user_entitlements where user_id = ${userId}
      ${options.validOnly ? tx.sql`and revoked_at is null` : tx.sql``}
      ${options.before === undefined ? tx.sql`` : tx.sql`and id < ${options.before}`}
    order by id desc limit ${options.limit}`;
}
