/** Requests that are answered once. One operation a function. */
import type { Tx } from '../client.ts';

export type RequestKey = { accountId: string; keyHash: Buffer; requestHash: Buffer };

/**
 * Claims a key, for `lifeS` seconds; its answer is stored by the same transaction. Waits while another one that has claimed it is
 * open. One whose answer is not kept any more is as if it had never been.
 */
export async function claimKey(tx: Tx, key: RequestKey, lifeS: number): Promise<boolean> {
  const claimed = await tx.sql`
    insert into billing.idempotency_keys as k (account_id, key_hash, request_hash, expires_at)
    values (${key.accountId}, ${key.keyHash}, ${key.requestHash}, clock_timestamp() + make_interval(secs => ${lifeS}))
    on conflict (account_id, key_hash) do update set request_hash = excluded.request_hash, state = 'running', answer_json = null,
      created_at = now(), expires_at = excluded.expires_at
    where k.expires_at < clock_timestamp()
    returning 1`;
  return claimed.length > 0;
}

export type StoredRequest = { requestHash: Buffer; answer: unknown };

export async function findRequest(tx: Tx, { accountId, keyHash }: RequestKey): Promise<StoredRequest | undefined> {
  const [row] = await tx.sql<StoredRequest[]>`
    select request_hash as "requestHash", answer_json as answer
    from billing.idempotency_keys where account_id = ${accountId} and key_hash = ${keyHash}`;
  return row;
}

export async function storeAnswer(tx: Tx, { accountId, keyHash }: RequestKey, answer: unknown): Promise<void> {
  await tx.sql`
    update billing.idempotency_keys set state = 'answered', answer_json = ${tx.sql.json({ answer } as never)}
    where account_id = ${accountId} and key_hash = ${keyHash}`;
}

/** Answers that are not kept any more. */
export async function dropExpiredKeys(tx: Tx, limit: number): Promise<number> {
  const rows = await tx.sql`
    delete from billing.idempotency_keys where (account_id, key_hash) in (
      select account_id, key_hash from billing.idempotency_keys
      where expires_at < clock_timestamp()
      order by expires_at limit ${limit} for update skip locked)
    returning 1`;
  return rows.length;
}
