/** One operation on the message tree a function. Messages are only ever added. */
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import type { Tx } from '../client.ts';
import type { MessageRow, TurnRow } from './rows.ts';

/** Of the message `m`, apart from its branches. */
const OWN_COLUMNS = `m.id, m.conversation_id as "conversationId", m.parent_id as "parentId", m.role, m.text, m.token_count as "tokenCount",
  m.client_message_id as "clientMessageId", m.generation_id as "generationId", m.finish_reason as "finishReason",
  m.tokens_in as "tokensIn", m.tokens_out as "tokensOut", (extract(epoch from m.created_at) * 1000)::float8 as "createdAtMs"`;

/**
 * The branches at the place of `m`, as `there.siblings`. By equality, since IS NOT DISTINCT FROM would read the whole conversation.
 * OFFSET keeps it from being looked up for each mention.
 */
const BESIDES = `cross join lateral (select case when m.parent_id is null
  then array(select s.id from chat.messages s where s.conversation_id = m.conversation_id and s.parent_id is null
    order by s.created_at, s.id)
  else array(select s.id from chat.messages s where s.conversation_id = m.conversation_id and s.parent_id = m.parent_id
    order by s.created_at, s.id) end offset 0) as there (siblings)`;

/**
 * Up to `limit` messages from `fromId` towards the root, oldest first; fewer where they are long or have many branches, as
 * `chat.read_views` does it. `fromId` itself is contained.
 */
export async function branchUp(tx: Tx, conversationId: string, fromId: string, limit: number): Promise<MessageRow[]> {
  const besides = tx.sql.unsafe(BESIDES);
  const rows = await tx.sql<MessageRow[]>`
    with recursive branch as (
      select m.id, m.parent_id, there.siblings, 1 as depth, length(m.text) + 36 * (cardinality(there.siblings) - 1) as characters
      from chat.messages m ${besides} where m.conversation_id = ${conversationId} and m.id = ${fromId}
      union all
      select m.id, m.parent_id, there.siblings, b.depth + 1,
        b.characters + length(m.text) + 36 * (cardinality(there.siblings) - 1)
      from branch b join chat.messages m on m.conversation_id = ${conversationId} and m.id = b.parent_id ${besides}
      where b.depth < ${limit} and b.characters < ${PAGE_CHARACTERS}
    )
    select ${tx.sql.unsafe(OWN_COLUMNS)}, b.siblings from branch b join chat.messages m on m.id = b.id order by b.depth desc`;
  return [...rows];
}

/**
 * The newest turns that end at `fromId` (undefined: at the conversation's head), newest first, as long as their tokens fit
 * into `tokenBudget`; at most `limit`. The first one is always contained.
 */
export async function recentTurns(
  tx: Tx,
  conversationId: string,
  fromId: string | null | undefined,
  tokenBudget: number,
  limit: number,
): Promise<TurnRow[]> {
  const rows = await tx.sql<TurnRow[]>`
    with recursive start as (
      select case when ${fromId === undefined} then c.head_message_id else ${fromId ?? null}::uuid end as id
      from chat.conversations c where c.id = ${conversationId}
    ), branch as (
      select m.id, m.parent_id, m.role, m.text, m.token_count, 1 as depth, m.token_count::bigint as total
      from start s join chat.messages m on m.conversation_id = ${conversationId} and m.id = s.id
      union all
      select m.id, m.parent_id, m.role, m.text, m.token_count, b.depth + 1, b.total + m.token_count
      from branch b join chat.messages m on m.conversation_id = ${conversationId} and m.id = b.parent_id
      where b.depth < ${limit} and b.total + m.token_count <= ${tokenBudget}
    )
    select id, role, text, token_count as "tokenCount" from branch order by depth`;
  return [...rows];
}

/** A message that the caller may see, in a conversation that is not deleted. */
export async function findMessage(tx: Tx, messageId: string): Promise<MessageRow | undefined> {
  const rows = await tx.sql<MessageRow[]>`
    select ${tx.sql.unsafe(OWN_COLUMNS)}, there.siblings from chat.messages m
    join chat.conversations c on c.id = m.conversation_id and c.deleted_at is null ${tx.sql.unsafe(BESIDES)} where m.id = ${messageId}`;
  return rows[0];
}

/** How many branches stand below a message, or how many first ones there are; `most` where there are more. */
export async function countBranches(
  tx: Tx,
  conversationId: string,
  parentId: string | null,
  most: number,
): Promise<number> {
  const below = parentId === null ? tx.sql`parent_id is null` : tx.sql`parent_id = ${parentId}`;
  const rows = await tx.sql<{ count: number }[]>`
    select count(*)::integer as count from (
      select from chat.messages where conversation_id = ${conversationId} and ${below} limit ${most}) as branches`;
  return rows[0]?.count ?? 0;
}

/** Whether a message stands in this conversation, and in which role. */
export async function findRole(
  tx: Tx,
  conversationId: string,
  messageId: string,
): Promise<MessageRow['role'] | undefined> {
  const rows = await tx.sql<{ role: MessageRow['role'] }[]>`
    select role from chat.messages where conversation_id = ${conversationId} and id = ${messageId}`;
  return rows[0]?.role;
}

/** The newest end below a message: at every fork the newest child. */
export async function newestEnd(tx: Tx, conversationId: string, messageId: string): Promise<string> {
  const rows = await tx.sql<{ id: string }[]>`
    with recursive down as (
      select ${messageId}::uuid as id, 1 as depth
      union all
      select child.id, d.depth + 1 from down d cross join lateral (
        select m.id from chat.messages m where m.conversation_id = ${conversationId} and m.parent_id = d.id
        order by m.created_at desc, m.id desc limit 1) child
    )
    select id from down order by depth desc limit 1`;
  return rows[0]?.id ?? messageId;
}

export type NewAnswer = {
  id: string;
  conversationId: string;
  userId: string;
  parentId: string;
  text: string;
  tokenCount: number;
  generationId: string;
  finishReason: string;
  tokensIn: number;
  tokensOut: number;
  sourceRefs: unknown;
  createdAt: Date;
};

/** Adds the answers of many generations with one statement. */
export async function insertAnswers(tx: Tx, rows: readonly NewAnswer[]): Promise<void> {
  if (rows.length === 0) return;
  const pick = <T>(of: (row: NewAnswer) => T): T[] => rows.map(of);
  await tx.sql`
    insert into chat.messages (id, conversation_id, user_id, parent_id, role, text, token_count, generation_id, finish_reason,
      tokens_in, tokens_out, source_refs_json, created_at)
    select a.id, a.conversation_id, a.user_id, a.parent_id, 'ai', a.text, a.token_count, a.generation_id, a.finish_reason,
      a.tokens_in, a.tokens_out, a.source_refs::jsonb, a.created_at
    from unnest(${pick((r) => r.id)}::uuid[], ${pick((r) => r.conversationId)}::uuid[], ${pick((r) => r.userId)}::uuid[],
      ${pick((r) => r.parentId)}::uuid[], ${pick((r) => r.text)}::text[], ${pick((r) => r.tokenCount)}::int[],
      ${pick((r) => r.generationId)}::uuid[], ${pick((r) => r.finishReason)}::text[], ${pick((r) => r.tokensIn)}::int[],
      ${pick((r) => r.tokensOut)}::int[], ${pick((r) => JSON.stringify(r.sourceRefs))}::text[],
      ${pick((r) => r.createdAt.toISOString())}::timestamptz[])
      as a (id, conversation_id, user_id, parent_id, text, token_count, generation_id, finish_reason, tokens_in, tokens_out,
        source_refs, created_at)`;
}

/** Texts of messages of one conversation, by id. */
export async function findTexts(tx: Tx, conversationId: string, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.sql<{ id: string; text: string }[]>`
    select id, text from chat.messages where conversation_id = ${conversationId} and id = any(${[...ids]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row.text]));
}
