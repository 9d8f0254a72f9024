/** One operation on conversations a function. */
import type { Tx } from '../client.ts';
import type { ConversationRow } from './rows.ts';

/** Of `chat.conversations c`, as a `ConversationRow`. */
export const CONVERSATION_COLUMNS = `c.id, c.avatar_id as "avatarId", c.kind, c.lang, c.title, c.revision, c.head_message_id as "headMessageId",
  (extract(epoch from c.started_at) * 1000)::float8 as "startedAtMs",
  (extract(epoch from c.last_message_at) * 1000)::float8 as "lastMessageAtMs",
  (select g.id from chat.generations g where g.conversation_id = c.id and g.state = 'running') as "runningGenerationId"`;

/** A live conversation that the caller may see. */
export async function findConversation(tx: Tx, conversationId: string): Promise<ConversationRow | undefined> {
  const rows = await tx.sql<ConversationRow[]>`
    select ${tx.sql.unsafe(CONVERSATION_COLUMNS)} from chat.conversations c where c.id = ${conversationId} and c.deleted_at is null`;
  return rows[0];
}

/** The same, locked: whatever changes the tree or the selection takes this lock first. */
export async function lockConversation(tx: Tx, conversationId: string): Promise<ConversationRow | undefined> {
  // Two statements, sent together: one that waits for the lock would look for the running generation as of before the wait.
  const [, rows] = await Promise.all([
    tx.sql`select 1 from chat.conversations c where c.id = ${conversationId} and c.deleted_at is null for update`,
    tx.sql<ConversationRow[]>`
      select ${tx.sql.unsafe(CONVERSATION_COLUMNS)} from chat.conversations c
      where c.id = ${conversationId} and c.deleted_at is null`,
  ]);
  return rows[0];
}

/** An empty conversation of the user with the same partner, to be used again. */
export async function findEmpty(
  tx: Tx,
  userId: string,
  avatarId: string,
  kind: string,
  lang: string,
): Promise<ConversationRow | undefined> {
  const rows = await tx.sql<ConversationRow[]>`
    select ${tx.sql.unsafe(CONVERSATION_COLUMNS)} from chat.conversations c
    where c.user_id = ${userId} and c.avatar_id = ${avatarId} and c.kind = ${kind} and c.lang = ${lang}
      and c.head_message_id is null and c.deleted_at is null
    order by c.id desc limit 1`;
  return rows[0];
}

export async function insertConversation(
  tx: Tx,
  row: { id: string; userId: string; avatarId: string; kind: string; lang: string; startedAt: Date },
): Promise<void> {
  await tx.sql`
    insert into chat.conversations (id, user_id, avatar_id, kind, lang, started_at)
    values (${row.id}, ${row.userId}, ${row.avatarId}, ${row.kind}, ${row.lang}, ${row.startedAt.toISOString()})`;
}

/** Last used first; `before` is the exclusive end of the page before. */
export async function listConversations(
  tx: Tx,
  page: { userId: string; avatarId: string | null; before: { atMs: number; id: string } | null; limit: number },
): Promise<ConversationRow[]> {
  const { userId, avatarId, before, limit } = page;
  const beforeAt = before === null ? null : new Date(before.atMs).toISOString();
  return tx.sql<ConversationRow[]>`
    select ${tx.sql.unsafe(CONVERSATION_COLUMNS)} from chat.conversations c
    where c.user_id = ${userId} and c.deleted_at is null and c.head_message_id is not null
      and (${avatarId}::uuid is null or c.avatar_id = ${avatarId}::uuid)
      and (${beforeAt}::timestamptz is null or
        (date_trunc('milliseconds', coalesce(c.last_message_at, c.started_at)), c.id) < (${beforeAt}::timestamptz, ${before?.id ?? null}::uuid))
    order by date_trunc('milliseconds', coalesce(c.last_message_at, c.started_at)) desc, c.id desc limit ${limit}`;
}

/** Moves the selection and counts the revision up; call it under the lock. Returns the new revision. */
export async function moveHead(tx: Tx, conversationId: string, headMessageId: string): Promise<number> {
  const rows = await tx.sql<{ revision: number }[]>`
    update chat.conversations set head_message_id = ${headMessageId}, revision = revision + 1
    where id = ${conversationId} returning revision`;
  return rows[0]?.revision ?? 0;
}

export async function softDelete(tx: Tx, conversationId: string, at: Date): Promise<void> {
  await tx.sql`update chat.conversations set deleted_at = ${at.toISOString()} where id = ${conversationId}`;
}

/** What has become of conversations, by id; for whoever has missed what was told of them. */
export async function findStandings(
  tx: Tx,
  ids: readonly string[],
): Promise<{ id: string; revision: number; deleted: boolean }[]> {
  return tx.sql<{ id: string; revision: number; deleted: boolean }[]>`
    select id, revision, deleted_at is not null as deleted from chat.conversations where id = any(${[...ids]}::uuid[])`;
}
