/** SQL of the key tables, one operation a function. */
import type { Tx } from '../client.ts';

export type DataKeyRow = { id: string; user_id: string | null; master_key_id: string; wrapped_key: Buffer };
export type HashKeyRow = { version: number; master_key_id: string; wrapped_key: Buffer };

/** Held shared by every look-up by hash, exclusively while hashes or their keys change. */
const HASH_LOCK = 7_210_001;

export async function findActiveDataKey(tx: Tx, userId: string | null): Promise<DataKeyRow | undefined> {
  const [row] = await tx.sql<DataKeyRow[]>`
    select id, user_id, master_key_id, wrapped_key from identity.data_keys
    where user_id is not distinct from ${userId}::uuid and retired_at is null`;
  return row;
}

export async function findDataKey(tx: Tx, id: string): Promise<DataKeyRow | undefined> {
  const [row] = await tx.sql<DataKeyRow[]>`
    select id, user_id, master_key_id, wrapped_key from identity.data_keys where id = ${id}`;
  return row;
}

/** @returns false when the user has an active key already. */
export async function insertDataKey(tx: Tx, row: DataKeyRow, createdAtMs: number): Promise<boolean> {
  const { count } = await tx.sql`
    insert into identity.data_keys (id, user_id, master_key_id, wrapped_key, created_at)
    values (${row.id}, ${row.user_id}, ${row.master_key_id}, ${row.wrapped_key}, ${new Date(createdAtMs)})
    on conflict do nothing`;
  return count === 1;
}

/** The active key stays readable and is used no more. */
export async function retireActiveDataKey(tx: Tx, userId: string, nowMs: number): Promise<void> {
  await tx.sql`update identity.data_keys set retired_at = ${new Date(nowMs)} where user_id = ${userId} and retired_at is null`;
}

/** Erases what was encrypted for a user, wherever copies of it are. */
export async function deleteDataKeys(tx: Tx, userId: string): Promise<number> {
  const { count } = await tx.sql`delete from identity.data_keys where user_id = ${userId}`;
  return count;
}

export async function lockDataKeysNotWrappedBy(tx: Tx, masterKeyId: string, limit: number): Promise<DataKeyRow[]> {
  return tx.sql<DataKeyRow[]>`
    select id, user_id, master_key_id, wrapped_key from identity.data_keys
    where master_key_id <> ${masterKeyId} order by id limit ${limit} for update`;
}

export async function rewrapDataKeys(tx: Tx, rows: readonly DataKeyRow[]): Promise<void> {
  await Promise.all(
    rows.map(
      (row) => tx.sql`
        update identity.data_keys set master_key_id = ${row.master_key_id}, wrapped_key = ${row.wrapped_key} where id = ${row.id}`,
    ),
  );
}

export async function rewrapHashKey(tx: Tx, row: HashKeyRow): Promise<void> {
  await tx.sql`
    update identity.hash_keys set master_key_id = ${row.master_key_id}, wrapped_key = ${row.wrapped_key} where version = ${row.version}`;
}

/** How many keys each master key wraps. */
export async function countByMasterKey(tx: Tx): Promise<{ master_key_id: string; keys: number }[]> {
  return tx.sql<{ master_key_id: string; keys: number }[]>`
    select master_key_id, count(*)::int as keys
    from (select master_key_id from identity.data_keys union all select master_key_id from identity.hash_keys) k
    group by master_key_id order by master_key_id`;
}

/** Newest first. */
export async function selectHashKeys(tx: Tx): Promise<HashKeyRow[]> {
  return tx.sql<HashKeyRow[]>`select version, master_key_id, wrapped_key from identity.hash_keys order by version desc`;
}

/** @returns false when the version exists. */
export async function insertHashKey(tx: Tx, row: HashKeyRow): Promise<boolean> {
  const { count } = await tx.sql`
    insert into identity.hash_keys (version, master_key_id, wrapped_key)
    values (${row.version}, ${row.master_key_id}, ${row.wrapped_key}) on conflict do nothing`;
  return count === 1;
}

export async function deleteHashKey(tx: Tx, version: number): Promise<void> {
  await tx.sql`delete from identity.hash_keys where version = ${version}`;
}

/** Until the end of the transaction no hash and no hash key changes. */
export async function lockHashesShared(tx: Tx): Promise<void> {
  await tx.sql`select pg_advisory_xact_lock_shared(${HASH_LOCK}::bigint)`;
}

/** Until the end of the transaction nobody looks up by hash. */
export async function lockHashesExclusive(tx: Tx): Promise<void> {
  await tx.sql`select pg_advisory_xact_lock(${HASH_LOCK}::bigint)`;
}
