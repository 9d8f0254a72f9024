/** SQL of rotation: small batches, each its own transaction, so that the server goes on beside it. */
import type { Tx } from '../client.ts';
import type { EncryptedColumn } from '../columns/registry.ts';

export type MailHashRow = { id: string; email_enc: Buffer };

/** Accounts whose mail is hashed under an older version. Locked: a change of the mail waits. */
export async function lockUsersHashedBefore(tx: Tx, version: number, limit: number): Promise<MailHashRow[]> {
  return tx.sql<MailHashRow[]>`
    select id, email_enc from identity.users
    where email_hash_version < ${version} and email_hash is not null and email_enc is not null
    order by id limit ${limit} for no key update`;
}

export async function updateMailHash(tx: Tx, userId: string, hash: Buffer, version: number): Promise<void> {
  await tx.sql`update identity.users set email_hash = ${hash}, email_hash_version = ${version} where id = ${userId}`;
}

/** Versions that no account's hash has any more, the newest left out. */
export async function selectUnusedHashVersions(tx: Tx): Promise<number[]> {
  const rows = await tx.sql<{ version: number }[]>`
    select version from identity.hash_keys k
    where version < (select max(version) from identity.hash_keys)
      and not exists (select 1 from identity.users u where u.email_hash_version = k.version)`;
  return rows.map((row) => row.version);
}

/** Users whose active data key was made before a time, in order. */
export async function selectUsersWithKeysBefore(
  tx: Tx,
  beforeMs: number,
  afterUserId: string | null,
  limit: number,
): Promise<string[]> {
  const rows = await tx.sql<{ user_id: string }[]>`
    select user_id from identity.data_keys
    where user_id is not null and retired_at is null and created_at < ${new Date(beforeMs)}
      and (${afterUserId}::uuid is null or user_id > ${afterUserId}::uuid)
    order by user_id limit ${limit}`;
  return rows.map((row) => row.user_id);
}

/** The user's filled cells of a column, locked. Table and column names come from the registry, never from outside. */
export async function lockCells(
  tx: Tx,
  column: EncryptedColumn,
  userId: string,
): Promise<{ row_id: string; sealed: Buffer }[]> {
  const { sql } = tx;
  return sql<{ row_id: string; sealed: Buffer }[]>`
    select ${sql(column.rowId)}::text as row_id, ${sql(column.column)} as sealed from ${sql(column.table)}
    where ${sql(column.owner)} = ${userId} and ${sql(column.column)} is not null for no key update`;
}

export async function updateCell(tx: Tx, column: EncryptedColumn, rowId: string, sealed: Buffer): Promise<void> {
  const { sql } = tx;
  await sql`update ${sql(column.table)} set ${sql(column.column)} = ${sealed} where ${sql(column.rowId)} = ${rowId}`;
}
