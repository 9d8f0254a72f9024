/** Organisations and their members; one operation a function. */
import type { Tx } from '../client.ts';

export type OrganizationRow = { id: string; name: string; createdAt: Date };
export type MemberRow = { userId: string; role: 'manager' | 'member'; spends: boolean; createdAt: Date };

export async function insertOrganization(tx: Tx, id: string, name: string): Promise<void> {
  await tx.sql`insert into identity.organizations (id, name) values (${id}, ${name})`;
}

/** @returns false when there is none. */
export async function renameOrganization(tx: Tx, id: string, name: string): Promise<boolean> {
  return (
    (await tx.sql`update identity.organizations set name = ${name}, updated_at = now() where id = ${id} returning 1`)
      .length > 0
  );
}

/** Newest first. */
export async function listOrganizations(tx: Tx, before: string | undefined, limit: number): Promise<OrganizationRow[]> {
  return tx.sql<OrganizationRow[]>`
    select id, name, created_at as "createdAt" from identity.organizations
    where ${before ?? null}::uuid is null or id < ${before ?? null}::uuid order by id desc limit ${limit}`;
}

/** Locked against changes of its members by others. */
export async function lockOrganization(tx: Tx, id: string): Promise<OrganizationRow | undefined> {
  const [row] = await tx.sql<OrganizationRow[]>`
    select id, name, created_at as "createdAt" from identity.organizations where id = ${id} for update`;
  return row;
}

export async function findOrganization(tx: Tx, id: string): Promise<OrganizationRow | undefined> {
  const [row] = await tx.sql<OrganizationRow[]>`
    select id, name, created_at as "createdAt" from identity.organizations where id = ${id}`;
  return row;
}

export async function listMembers(tx: Tx, organizationId: string, limit: number): Promise<MemberRow[]> {
  return tx.sql<MemberRow[]>`
    select user_id as "userId", role, spends, created_at as "createdAt" from identity.organization_members
    where organization_id = ${organizationId} order by created_at, user_id limit ${limit}`;
}

/** The organisation whose cap counts for a person. */
export async function findSpendsUnder(tx: Tx, userId: string): Promise<string | null> {
  const [row] = await tx.sql<{ id: string }[]>`
    select organization_id as id from identity.organization_members where user_id = ${userId} and spends`;
  return row?.id ?? null;
}

/** Adds a member or changes him. Whoever spends here spends nowhere else. */
export async function putMember(
  tx: Tx,
  organizationId: string,
  { userId, role, spends }: Pick<MemberRow, 'userId' | 'role' | 'spends'>,
): Promise<void> {
  if (spends)
    await tx.sql`update identity.organization_members set spends = false where user_id = ${userId} and organization_id <> ${organizationId} and spends`;
  await tx.sql`
    insert into identity.organization_members (organization_id, user_id, role, spends) values (${organizationId}, ${userId}, ${role}, ${spends})
    on conflict (organization_id, user_id) do update set role = excluded.role, spends = excluded.spends`;
}

/** @returns false when he was none. */
export async function deleteMember(tx: Tx, organizationId: string, userId: string): Promise<boolean> {
  const rows = await tx.sql`
    delete from identity.organization_members where organization_id = ${organizationId} and user_id = ${userId} returning 1`;
  return rows.length > 0;
}
