/** SQL of sessions and their tokens. Tokens come and go as hashes only. */
import type { Tx } from '../client.ts';

export type NewSession = {
  id: string;
  userId: string;
  userAgent: string | null;
  network: string | null;
  nowMs: number;
  notAfterMs: number;
};

export async function insertSession(tx: Tx, session: NewSession): Promise<void> {
  const now = new Date(session.nowMs);
  await tx.sql`
    insert into identity.sessions (id, user_id, user_agent, ip_prefix, created_at, updated_at, refreshed_at, not_after)
    values (${session.id}, ${session.userId}, ${session.userAgent}, ${session.network}::cidr, ${now}, ${now}, ${now},
            ${new Date(session.notAfterMs)})`;
}

export type SessionRow = {
  id: string;
  user_id: string;
  user_agent: string | null;
  created_ms: number;
  updated_ms: number;
  not_after_ms: number;
  ended: boolean;
};

/** Locks a session against every other change: refresh, sign-out and reuse happen one after the other. */
export async function lockSession(tx: Tx, sessionId: string): Promise<SessionRow | undefined> {
  const [row] = await tx.sql<SessionRow[]>`
    select id, user_id, user_agent, ended_at is not null as ended,
      (extract(epoch from created_at) * 1000)::float8 as created_ms,
      (extract(epoch from updated_at) * 1000)::float8 as updated_ms,
      (extract(epoch from not_after) * 1000)::float8 as not_after_ms
    from identity.sessions where id = ${sessionId} for update`;
  return row;
}

/** Live ones, newest first. */
export async function selectLiveSessions(
  tx: Tx,
  userId: string,
  nowMs: number,
  { before, limit }: { before: string | null; limit: number | null } = { before: null, limit: null },
): Promise<SessionRow[]> {
  return tx.sql<SessionRow[]>`
    select id, user_id, user_agent, false as ended,
      (extract(epoch from created_at) * 1000)::float8 as created_ms,
      (extract(epoch from updated_at) * 1000)::float8 as updated_ms,
      (extract(epoch from not_after) * 1000)::float8 as not_after_ms
    from identity.sessions where user_id = ${userId} and ended_at is null and not_after > ${new Date(nowMs)}
      and (${before}::uuid is null or
        (created_at, id) < (select b.created_at, b.id from identity.sessions b where b.id = ${before}::uuid))
    order by created_at desc, id desc limit ${limit}::bigint`;
}

/** Whether the user has had it; it may have ended. */
export async function hasSession(tx: Tx, userId: string, sessionId: string): Promise<boolean> {
  const rows = await tx.sql`select 1 from identity.sessions where id = ${sessionId} and user_id = ${userId}`;
  return rows.length > 0;
}

export async function touchSession(tx: Tx, sessionId: string, nowMs: number, notAfterMs: number): Promise<void> {
  const now = new Date(nowMs);
  await tx.sql`
    update identity.sessions set updated_at = ${now}, refreshed_at = ${now}, not_after = ${new Date(notAfterMs)} where id = ${sessionId}`;
}

export type EndReason = 'sign_out' | 'ended' | 'password_change' | 'token_reuse' | 'admin';

/**
 * Ends live sessions of a user and makes all their tokens useless.
 * @param which one session; all but one; or all.
 * @returns the ids of those that were live.
 */
export async function endSessions(
  tx: Tx,
  userId: string,
  which: { only?: string; except?: string },
  reason: EndReason,
  nowMs: number,
): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    update identity.sessions set ended_at = ${new Date(nowMs)}, updated_at = ${new Date(nowMs)}, end_reason = ${reason}
    where id in (
      select id from identity.sessions where user_id = ${userId} and ended_at is null
        and (${which.only ?? null}::uuid is null or id = ${which.only ?? null}::uuid)
        and (${which.except ?? null}::uuid is null or id <> ${which.except ?? null}::uuid)
      order by id for update)
    returning id`;
  const ids = rows.map((row) => row.id);
  if (ids.length > 0) {
    await tx.sql`update identity.refresh_tokens set revoked = true where session_id = any(${ids}::uuid[]) and not revoked`;
    await tx.sql`delete from identity.access_tokens where session_id = any(${ids}::uuid[])`;
  }
  return ids;
}

/** Those of the given sessions that have ended or run out. */
export async function selectEnded(tx: Tx, sessionIds: readonly string[], nowMs: number): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select given.id from unnest(${[...sessionIds]}::uuid[]) given (id) left join identity.sessions s on s.id = given.id
    where s.id is null or s.ended_at is not null or s.not_after <= ${new Date(nowMs)}`;
  return rows.map((row) => row.id);
}

export async function insertAccessToken(
  tx: Tx,
  hash: Buffer,
  sessionId: string,
  userId: string,
  expiresMs: number,
): Promise<void> {
  await tx.sql`
    insert into identity.access_tokens (token_hash, session_id, user_id, expires_at)
    values (${hash}, ${sessionId}, ${userId}, ${new Date(expiresMs)})`;
}

export type PrincipalRow = { user_id: string; session_id: string; roles: string[]; expires_ms: number };

/** Whom a live access token stands for. */
export async function findByAccessToken(tx: Tx, hash: Buffer, nowMs: number): Promise<PrincipalRow | undefined> {
  const [row] = await tx.sql<PrincipalRow[]>`
    select t.user_id, t.session_id, (extract(epoch from t.expires_at) * 1000)::float8 as expires_ms,
      array(select r.role from identity.user_roles r where r.user_id = t.user_id order by 1) as roles
    from identity.access_tokens t
      join identity.sessions s on s.id = t.session_id
      join identity.users u on u.id = t.user_id
    where t.token_hash = ${hash} and t.expires_at > ${new Date(nowMs)} and s.ended_at is null
      and s.not_after > ${new Date(nowMs)} and u.status = 'active'`;
  return row;
}

/** Whom a live session stands for. */
export async function findBySession(tx: Tx, sessionId: string, nowMs: number): Promise<PrincipalRow | undefined> {
  const [row] = await tx.sql<PrincipalRow[]>`
    select s.user_id, s.id as session_id, (extract(epoch from s.not_after) * 1000)::float8 as expires_ms,
      array(select r.role from identity.user_roles r where r.user_id = s.user_id order by 1) as roles
    from identity.sessions s join identity.users u on u.id = s.user_id
    where s.id = ${sessionId} and s.ended_at is null and s.not_after > ${new Date(nowMs)} and u.status = 'active'`;
  return row;
}

export async function findRefreshTokenOwner(
  tx: Tx,
  hash: Buffer,
): Promise<{ session_id: string; user_id: string } | undefined> {
  const [row] = await tx.sql<{ session_id: string; user_id: string }[]>`
    select session_id, user_id from identity.refresh_tokens where token_hash = ${hash}`;
  return row;
}

export type RefreshTokenRow = {
  id: string;
  revoked: boolean;
  expires_ms: number;
  used_ms: number | null;
  successor_salt: Buffer | null;
  successor_used: boolean;
};

/** Read after `lockSession`, so that nothing of it can change. */
export async function getRefreshToken(tx: Tx, hash: Buffer): Promise<RefreshTokenRow | undefined> {
  const [row] = await tx.sql<RefreshTokenRow[]>`
    select t.id::text, t.revoked, t.successor_salt, (extract(epoch from t.expires_at) * 1000)::float8 as expires_ms,
      (extract(epoch from t.used_at) * 1000)::float8 as used_ms,
      exists (select 1 from identity.refresh_tokens next where next.parent_id = t.id and next.used_at is not null) as successor_used
    from identity.refresh_tokens t where t.token_hash = ${hash}`;
  return row;
}

export async function insertRefreshToken(
  tx: Tx,
  token: { hash: Buffer; sessionId: string; userId: string; parentId: string | null; expiresMs: number },
): Promise<void> {
  await tx.sql`
    insert into identity.refresh_tokens (token_hash, session_id, user_id, parent_id, expires_at)
    values (${token.hash}, ${token.sessionId}, ${token.userId}, ${token.parentId}, ${new Date(token.expiresMs)})`;
}

export async function markRefreshTokenUsed(tx: Tx, id: string, salt: Buffer, nowMs: number): Promise<void> {
  await tx.sql`update identity.refresh_tokens set used_at = ${new Date(nowMs)}, successor_salt = ${salt} where id = ${id}`;
}

/** Removes what can never be used again. Used refresh tokens stay until they expire, to tell reuse from nonsense. */
export async function deleteExpired(tx: Tx, nowMs: number, keepSessionsMs: number): Promise<void> {
  const now = new Date(nowMs);
  await tx.sql`delete from identity.access_tokens where expires_at <= ${now}`;
  await tx.sql`delete from identity.refresh_tokens where expires_at <= ${now}`;
  await tx.sql`delete from identity.sessions where least(not_after, ended_at) < ${new Date(nowMs - keepSessionsMs)}`;
}
