/** The outbox of the ledger: entries that are decided and not yet in their chain. One operation a function. */
import type { LedgerDraft } from '../../../workers/tasks.ts';
import { plainArray, textArray } from '../../arrays.ts';
import type { Tx } from '../../client.ts';

/** An entry to come. The database gives it its time. */
export type NewPending = Omit<LedgerDraft, 'createdAtMs' | 'status'> & {
  /** Counts against the cap of the period of this instant; 'now' for what is spent now, null for what does not count. */
  spentAt: 'now' | Date | null;
  organizationId: string | null;
  holdId: string | null;
};

/** @param keys that were written now. @param atMs the database's time that all of them have; milliseconds since the epoch. */
export type Inserted = { keys: ReadonlySet<string>; atMs: number };

/**
 * Rows whose key is pending or in the ledger already are left out. (One that is booked in this very moment may slip through: then
 * the ledger's unique key refuses it later.)
 */
export async function insertPending(tx: Tx, rows: readonly NewPending[]): Promise<Inserted> {
  const plain = (of: (row: NewPending) => string | number | null): string => plainArray(rows.map(of));
  const [inserted] = await tx.sql<{ keys: string[] | null; at: string }[]>`
    with clock as materialized (select date_trunc('milliseconds', clock_timestamp()) as at),
    inserted as (
      insert into billing.pending_entries (shard, id, from_account, to_account, asset, token_amount, unit_price_micro, purpose, conv_id,
        msg_id, generation_id, reverses_id, idempotency_key, created_at, spent_at, organization_id, hold_id)
      select t.shard, t.id, t.from_account, t.to_account, t.asset, t.token_amount, t.unit_price_micro, t.purpose, t.conv_id, t.msg_id,
        t.generation_id, t.reverses_id, t.idempotency_key, clock.at, case when t.spends_now = 1 then clock.at else t.spent_at end,
        t.organization_id, t.hold_id
      from unnest(
        ${plain((row) => row.shard)}::smallint[], ${plain((row) => row.entryId)}::uuid[], ${plain((row) => row.fromAccount)}::uuid[],
        ${plain((row) => row.toAccount)}::uuid[], ${plain((row) => row.asset)}::text[], ${plain((row) => row.tokenAmount)}::bigint[],
        ${plain((row) => row.unitPriceMicro)}::bigint[], ${plain((row) => row.purpose)}::text[],
        ${plain((row) => row.conversationId)}::uuid[], ${plain((row) => row.messageId)}::uuid[],
        ${plain((row) => row.generationId)}::uuid[], ${plain((row) => row.reversesId)}::uuid[],
        ${textArray(rows.map((row) => row.idempotencyKey))}::text[], ${plain((row) => (row.spentAt === 'now' ? 1 : 0))}::int[],
        ${plain((row) => (row.spentAt instanceof Date ? row.spentAt.toISOString() : null))}::timestamptz[],
        ${plain((row) => row.organizationId)}::uuid[], ${plain((row) => row.holdId)}::uuid[]
      ) as t (shard, id, from_account, to_account, asset, token_amount, unit_price_micro, purpose, conv_id, msg_id, generation_id,
        reverses_id, idempotency_key, spends_now, spent_at, organization_id, hold_id)
      cross join clock
      -- Always by its index, however small the ledger is when this is planned.
      left join lateral (select true as booked from billing.token_ledger e where e.idempotency_key = t.idempotency_key limit 1) as e on true
      left join lateral (
        select true as reversed from billing.token_ledger r where r.reverses_id = t.reverses_id and t.reverses_id is not null limit 1
      ) as r on true
      where e.booked is null and r.reversed is null
      -- In one order, since two that settle the same wait for each other's keys.
      order by t.idempotency_key
      -- Of the key, or of the entry that is taken back.
      on conflict do nothing
      returning idempotency_key)
    select (select array_agg(idempotency_key) from inserted) as keys, extract(epoch from clock.at) * 1000 as at from clock`;
  return { keys: new Set(inserted?.keys ?? []), atMs: Number(inserted?.at) };
}

export type PendingPlace = { idempotencyKey: string; entryId: string; shard: number };

export async function findPendingByKeys(tx: Tx, keys: readonly string[]): Promise<PendingPlace[]> {
  return await tx.sql<PendingPlace[]>`
    select idempotency_key as "idempotencyKey", id as "entryId", shard from billing.pending_entries
    where idempotency_key = any(${[...keys]}::text[])`;
}

/** What has waited in these shards for so long, oldest first; what was refused is left out. */
export async function listPending(
  tx: Tx,
  shards: readonly number[],
  minAgeMs: number,
  limit: number,
): Promise<LedgerDraft[]> {
  const rows = await tx.sql<(Omit<LedgerDraft, 'tokenAmount' | 'unitPriceMicro' | 'createdAtMs'> & Numbers)[]>`
    select id as "entryId", shard, from_account as "fromAccount", to_account as "toAccount", asset, token_amount as "tokenAmount",
      unit_price_micro as "unitPriceMicro", purpose, case when reverses_id is null then 'settled' else 'reversed' end as status,
      reverses_id as "reversesId", conv_id as "conversationId", msg_id as "messageId", generation_id as "generationId",
      idempotency_key as "idempotencyKey", extract(epoch from created_at) * 1000 as "createdAtMs"
    from billing.pending_entries where shard = any(${[...shards]}::smallint[]) and refused is null
      and created_at <= clock_timestamp() - make_interval(secs => ${minAgeMs / 1_000}) order by shard, id limit ${limit}`;
  return rows.map(({ tokenAmount, unitPriceMicro, createdAtMs, ...row }) => ({
    ...row,
    tokenAmount: Number(tokenAmount),
    unitPriceMicro: Number(unitPriceMicro),
    createdAtMs: Number(createdAtMs),
  }));
}
type Numbers = { tokenAmount: string; unitPriceMicro: string; createdAtMs: string };

export async function deletePending(tx: Tx, { shard, entryId }: { shard: number; entryId: string }): Promise<void> {
  await tx.sql`delete from billing.pending_entries where shard = ${shard} and id = ${entryId}`;
}

/** Sets a row aside that the ledger refuses, so that those behind it can go on. */
export async function refusePending(tx: Tx, entryId: string, reason: string): Promise<void> {
  await tx.sql`update billing.pending_entries set refused = ${reason} where id = ${entryId}`;
}

/** Which of these are in the outbox and may be booked. */
export async function findPendingIds(
  tx: Tx,
  places: readonly { shard: number; entryId: string }[],
): Promise<Set<string>> {
  const rows = await tx.sql<{ id: string }[]>`
    select p.id from billing.pending_entries p
    join unnest(${places.map(({ shard }) => shard)}::smallint[], ${places.map(({ entryId }) => entryId)}::uuid[]) as t (shard, id)
      on p.shard = t.shard and p.id = t.id
    where p.refused is null`;
  return new Set(rows.map(({ id }) => id));
}

export type PendingState = { idempotencyKey: string; refused: string | null };

/** What is still in the outbox of these keys, and what of it was refused. */
export async function findPendingStates(tx: Tx, keys: readonly string[]): Promise<PendingState[]> {
  return await tx.sql<PendingState[]>`
    select idempotency_key as "idempotencyKey", refused from billing.pending_entries where idempotency_key = any(${[...keys]}::text[])`;
}
