/** The token ledger: chains, their ends, and reading them. Entries are only ever added. */
import type { ChainHead, LedgerDraft } from '../../workers/tasks.ts';
import type { Tx } from '../client.ts';

export type EntryRef = { idempotencyKey: string; shard: number; seq: number; hash: string };

/** Entries that were made under these keys. */
export async function findByKeys(tx: Tx, keys: readonly string[]): Promise<EntryRef[]> {
  const rows = await tx.sql<{ idempotency_key: string; shard: number; seq: string; hash: string }[]>`
    select idempotency_key, shard, seq, encode(hash, 'hex') as hash from billing.token_ledger
    where idempotency_key = any(${[...keys]}::text[])`;
  return rows.map((row) => ({
    idempotencyKey: row.idempotency_key,
    shard: row.shard,
    seq: Number(row.seq),
    hash: row.hash,
  }));
}

/** The ends of all chains without a lock, with the last sequence that is really there. */
export async function readHeads(tx: Tx): Promise<(ChainHead & { lastSeq: number })[]> {
  const rows = await tx.sql<{ shard: number; seq: string; hash: string; last_seq: string }[]>`
    select shard, seq, encode(hash, 'hex') as hash,
      (select coalesce(max(entry.seq), 0) from billing.token_ledger entry where entry.shard = head.shard) as last_seq
    from billing.ledger_heads head order by shard`;
  return rows.map((row) => ({
    shard: row.shard,
    seq: Number(row.seq),
    hash: row.hash,
    lastSeq: Number(row.last_seq),
  }));
}

export type StoredEntry = LedgerDraft & { seq: number; hash: string; prevHash: string; hashVersion: number };

/** A piece of a chain in order, for recomputing it. */
export async function readChain(tx: Tx, shard: number, afterSeq: number, limit: number): Promise<StoredEntry[]> {
  const rows = await tx.sql<RawEntry[]>`
    select shard, seq, encode(hash, 'hex') as hash, encode(prev_hash, 'hex') as prev_hash, hash_version, id, from_account, to_account,
      asset, token_amount, unit_price_micro, purpose, conv_id, msg_id, generation_id, status, reverses_id, idempotency_key,
      extract(epoch from created_at) * 1000 as created_at_ms
    from billing.token_ledger where shard = ${shard} and seq > ${afterSeq} order by seq limit ${limit}`;
  return rows.map(toStored);
}

type RawEntry = {
  shard: number;
  seq: string;
  hash: string;
  prev_hash: string;
  hash_version: number;
  id: string;
  from_account: string;
  to_account: string;
  asset: string;
  token_amount: string;
  unit_price_micro: string;
  purpose: string;
  conv_id: string | null;
  msg_id: string | null;
  generation_id: string | null;
  status: string;
  reverses_id: string | null;
  idempotency_key: string;
  created_at_ms: string;
};

function toStored(row: RawEntry): StoredEntry {
  return {
    entryId: row.id,
    shard: row.shard,
    seq: Number(row.seq),
    hash: row.hash,
    prevHash: row.prev_hash,
    hashVersion: row.hash_version,
    fromAccount: row.from_account,
    toAccount: row.to_account,
    asset: row.asset,
    tokenAmount: Number(row.token_amount),
    unitPriceMicro: Number(row.unit_price_micro),
    purpose: row.purpose,
    status: row.status,
    reversesId: row.reverses_id,
    conversationId: row.conv_id,
    messageId: row.msg_id,
    generationId: row.generation_id,
    idempotencyKey: row.idempotency_key,
    createdAtMs: Number(row.created_at_ms),
  };
}

export type OwnEntry = StoredEntry & { reversed: boolean };

/**
 * Entries of an account, newest first, with whether another entry took them back.
 * @param beforeId only entries older than this one.
 */
export async function listEntries(
  tx: Tx,
  accountId: string,
  beforeId: string | undefined,
  limit: number,
): Promise<OwnEntry[]> {
  // Ids are in order of time; all ones comes after every one of them. Two index scans, then a merge of at most 2 × limit rows.
  const before = beforeId ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  const rows = await tx.sql<(RawEntry & { reversed: boolean })[]>`
    select shard, seq, encode(hash, 'hex') as hash, encode(prev_hash, 'hex') as prev_hash, hash_version, id, from_account, to_account,
      asset, token_amount, unit_price_micro, purpose, conv_id, msg_id, generation_id, status, reverses_id, idempotency_key,
      extract(epoch from created_at) * 1000 as created_at_ms,
      exists (select from billing.token_ledger other where other.reverses_id = entry.id) as reversed
    from (
      (select * from billing.token_ledger where from_account = ${accountId} and id < ${before} order by id desc limit ${limit})
      union all
      (select * from billing.token_ledger where to_account = ${accountId} and id < ${before} order by id desc limit ${limit})
    ) as entry order by id desc limit ${limit}`;
  return rows.map((row) => ({ ...toStored(row), reversed: row.reversed }));
}
