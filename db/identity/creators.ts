/** Creators (001-R14): the part of a user that earns. One operation a function. */
import type { Tx } from '../client.ts';
import { uuidv7 } from '../uuid.ts';

export type CreatorStatus = 'active' | 'suspended';
export type CreatorRow = { creatorId: string; userId: string; status: CreatorStatus; createdAtMs: number };
export type CreatorNameRow = CreatorRow & { displayName: string; locale: 'en' | 'ja' };

/** @returns false when he is one already. */
export async function insertCreator(tx: Tx, userId: string): Promise<boolean> {
  const { count } = await tx.sql`
    insert into identity.creators (id, user_id) values (${uuidv7()}, ${userId}) on conflict (user_id) do nothing`;
  return count === 1;
}

export async function findCreator(tx: Tx, userId: string): Promise<CreatorRow | undefined> {
  const [row] = await tx.sql<CreatorRow[]>`
    select id as "creatorId", user_id as "userId", status, (extract(epoch from created_at) * 1000)::float8 as "createdAtMs"
    from identity.creators where user_id = ${userId}`;
  return row;
}

/** With the name that others see and his language; for statements and operators. */
export async function selectCreatorNames(tx: Tx, creatorIds: readonly string[]): Promise<CreatorNameRow[]> {
  return tx.sql<CreatorNameRow[]>`
    select c.id as "creatorId", c.user_id as "userId", c.status, (extract(epoch from c.created_at) * 1000)::float8 as "createdAtMs",
      coalesce(p.display_name, '') as "displayName", u.locale
    from identity.creators c join identity.users u on u.id = c.user_id left join identity.profiles p on p.user_id = c.user_id
    where c.id = any(${[...creatorIds]}::uuid[])`;
}

/** In order behind `after`. */
export async function listCreatorIds(tx: Tx, after: string | undefined, limit: number): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select id from identity.creators where id > ${after ?? '00000000-0000-0000-0000-000000000000'}::uuid order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** @returns false when there is no such creator. */
export async function updateCreatorStatus(tx: Tx, creatorId: string, status: CreatorStatus): Promise<boolean> {
  const { count } = await tx.sql`
    update identity.creators set status = ${status}, updated_at = now() where id = ${creatorId}`;
  return count === 1;
}
