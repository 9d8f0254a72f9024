/** Requests that are answered once. One operation a function. */
import type { Tx } from '../client.ts';

export type RequestKey = { accountId: string; keyHash: Buffer; requestHash: Buffer };

/**
 * Claims a key, for `lifeS` seconds. Waits while another transaction that has claimed it is open. One that has run for longer than
 * it said may be taken over by the same request; one whose answer is not kept any more is as if it had never been.
 */
export async function claimKey(tx: Tx, key: RequestKey, lifeS: number): Promise<boolean> {
  const claimed = await tx.sql`
    insert into billing.idempotency_keys as k (account_id, key_hash, request_hash, expires_at)
    values (${key.accountId}, ${key.keyHash}, ${key.requestHash}, clock_timestamp() + make_interval(secs => ${lifeS}))
    on conflict (account_id, key_hash) do update set request_hash = excluded.request_hash, state = 'running', answer_json = null,
      created_at = now(), expires_at = excluded.expires_at
    where k.expires_at < clock_timestamp() and (k.state = 'answered' or k.request_hash = excluded.request_hash)
    returning 1`;
  return claimed.length > 0;
}

export type StoredRequest = { requestHash: Buffer; answered: boolean; answer: unknown };

export async function findRequest(tx: Tx, { accountId, keyHash }: RequestKey): Promise<StoredRequest | undefined> {
  const [row] = await tx.sql<StoredRequest[]>`
    select request_hash as "requestHash", state = 'answered' as answered, answer_json as answer
    from billing.idempotency_keys where account_id = ${accountId} and key_hash = ${keyHash}`;
  return row;
}

export async function storeAnswer(
  tx: Tx,
  { accountId, keyHash }: RequestKey,
  answer: unknown,
  keptS: number,
): Promise<void> {
  await tx.sql`
    update billing.idempotency_keys set state = 'answered', answer_json = ${tx.sql.json({ answer } as never)},
      expires_at = clock_timestamp() + make_interval(secs => ${keptS})
    where account_id = ${accountId} and key_hash = ${keyHash}`;
}

/** It came to nothing: the same key may be tried again. */
export async function dropClaim(tx: Tx, { accountId, keyHash }: RequestKey): Promise<void> {
  await tx.sql`
    delete from billing.idempotency_keys where account_id = ${accountId} and key_hash = ${keyHash} and state = 'running'`;
}

/** Answers that are not kept any more, and claims that nobody has come back for. */
export async function dropExpiredKeys(tx: Tx, limit: number): Promise<number> {
  const rows = await tx.sql`
    delete from billing.idempotency_keys where (account_id, key_hash) in (
      select account_id, key_hash from billing.idempotency_keys
      where expires_at < clock_timestamp() - case when state = 'running' then interval '1 day' else interval '0' end
      order by expires_at limit ${limit} for update skip locked)
    returning 1`;
  return rows.length;
}
