/** One operation on generations a function. */
import type { FinishReason } from '../../protocol/chat.ts';
import type { Tx } from '../client.ts';
import type { GenerationRow } from './rows.ts';

const COLUMNS = `g.id, g.conversation_id as "conversationId", g.user_id as "userId", g.payee_user_id as "payeeUserId",
  g.parent_id as "parentId", g.message_id as "messageId", g.epoch, g.state, g.finish_reason as "finishReason", g.model,
  g.prompt_tokens as "promptTokens", g.first_turn as "firstTurn", g.trace_json as trace, g.owner,
  g.error_code as "errorCode", g.tokens_in as "tokensIn", g.tokens_out as "tokensOut",
  (select c.avatar_id from chat.conversations c where c.id = g.conversation_id) as "avatarId"`;

/** A generation that the caller may see. */
export async function findGeneration(tx: Tx, generationId: string): Promise<GenerationRow | undefined> {
  const rows = await tx.sql<GenerationRow[]>`
    select ${tx.sql.unsafe(COLUMNS)} from chat.generations g where g.id = ${generationId}`;
  return rows[0];
}

/** What an earlier command with the same id of the client started. */
export type EarlierStart = {
  messageId: string;
  text: string;
  parentId: string | null;
  generationId: string | null;
  replyMessageId: string | null;
};

/** The message that was sent with this `clientMessageId`, with the first answer to it. */
export async function findBySentMessage(
  tx: Tx,
  conversationId: string,
  clientMessageId: string,
): Promise<EarlierStart | undefined> {
  const rows = await tx.sql<EarlierStart[]>`
    select m.id as "messageId", m.text, m.parent_id as "parentId", g.id as "generationId", g.message_id as "replyMessageId"
    from chat.messages m left join lateral (
      select g.id, g.message_id from chat.generations g where g.conversation_id = m.conversation_id and g.parent_id = m.id
      order by g.created_at, g.id limit 1) g on true
    where m.conversation_id = ${conversationId} and m.client_message_id = ${clientMessageId}`;
  return rows[0];
}

/** What an earlier `chat.regenerate` with this id of the client started. */
export async function findByRequest(
  tx: Tx,
  conversationId: string,
  clientRequestId: string,
): Promise<EarlierStart | undefined> {
  const rows = await tx.sql<EarlierStart[]>`
    select g.parent_id as "messageId", '' as text, null as "parentId", g.id as "generationId", g.message_id as "replyMessageId"
    from chat.generations g where g.conversation_id = ${conversationId} and g.client_request_id = ${clientRequestId}`;
  return rows[0];
}

/** Which gateways have answers running, by their own word. */
export async function listOwners(tx: Tx): Promise<string[]> {
  const rows = await tx.sql<{ owner: string }[]>`select distinct owner from chat.generations where state = 'running'`;
  return rows.map((row) => row.owner);
}

/** What a gateway writes, by the rows. */
export async function listRunningOf(tx: Tx, owner: string): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select id from chat.generations where state = 'running' and owner = ${owner}`;
  return rows.map((row) => row.id);
}

/**
 * Takes over what an owner that is dead, or knows nothing of it, left running: the epoch rises, so that late writes are refused from
 * now on.
 * @param ids only these.
 */
export async function adoptRunning(
  tx: Tx,
  oldOwner: string,
  newOwner: string,
  ids?: readonly string[],
): Promise<GenerationRow[]> {
  const rows = await tx.sql<GenerationRow[]>`
    update chat.generations g set owner = ${newOwner}, epoch = g.epoch + 1
    where g.state = 'running' and g.owner = ${oldOwner} ${ids === undefined ? tx.sql`` : tx.sql`and g.id = any(${[...ids]}::uuid[])`}
    returning ${tx.sql.unsafe(COLUMNS)}`;
  return [...rows];
}

/** Those of the given ones that have another owner than at this epoch, or had one when they ended. */
export async function listTaken(tx: Tx, written: readonly { id: string; epoch: number }[]): Promise<string[]> {
  const rows = await tx.sql<{ id: string }[]>`
    select g.id from unnest(${written.map(({ id }) => id)}::uuid[], ${written.map(({ epoch }) => epoch)}::int[]) as w (id, epoch)
    join chat.generations g on g.id = w.id where g.epoch > w.epoch`;
  return rows.map((row) => row.id);
}

export type Outcome = {
  generationId: string;
  epoch: number;
  finishReason: FinishReason;
  errorCode: string | null;
  tokensIn: number;
  tokensOut: number;
  endedAt: Date;
};

/**
 * Ends generations that still run at this epoch; others are left alone. Locks their conversations first, in the order of ids,
 * as everything does that touches both.
 * @returns the ids that were ended now.
 */
export async function endRunning(tx: Tx, outcomes: readonly Outcome[]): Promise<Set<string>> {
  const pick = <T>(of: (outcome: Outcome) => T): T[] => outcomes.map(of);
  const ids = pick((o) => o.generationId);
  await tx.sql`
    select 1 from chat.conversations where id in (select conversation_id from chat.generations where id = any(${ids}::uuid[]))
    order by id for update`;
  const rows = await tx.sql<{ id: string }[]>`
    update chat.generations g set state = 'ended', finish_reason = o.finish_reason, error_code = o.error_code,
      tokens_in = o.tokens_in, tokens_out = o.tokens_out, ended_at = o.ended_at
    from unnest(${ids}::uuid[], ${pick((o) => o.epoch)}::int[], ${pick((o) => o.finishReason)}::text[],
      ${pick((o) => o.errorCode)}::text[], ${pick((o) => o.tokensIn)}::int[], ${pick((o) => o.tokensOut)}::int[],
      ${pick((o) => o.endedAt.toISOString())}::timestamptz[])
      as o (id, epoch, finish_reason, error_code, tokens_in, tokens_out, ended_at)
    where g.id = o.id and g.epoch = o.epoch and g.state = 'running' returning g.id`;
  return new Set(rows.map((row) => row.id));
}

export type HeadMove = { conversationId: string; parentId: string; messageId: string | null; at: Date };

/**
 * Counts the revision of conversations up and moves the head to the new answer where the branch that was answered is still the
 * selected one.
 * @returns the new revisions by conversation.
 */
export async function moveHeads(tx: Tx, moves: readonly HeadMove[]): Promise<Map<string, number>> {
  const rows = await tx.sql<{ id: string; revision: number }[]>`
    update chat.conversations c set revision = c.revision + 1, last_message_at = greatest(c.last_message_at, m.at),
      head_message_id = case when m.message_id is not null and c.head_message_id = m.parent_id then m.message_id else c.head_message_id end
    from unnest(${moves.map((m) => m.conversationId)}::uuid[], ${moves.map((m) => m.parentId)}::uuid[],
      ${moves.map((m) => m.messageId)}::uuid[], ${moves.map((m) => m.at.toISOString())}::timestamptz[]) as m (id, parent_id, message_id, at)
    where c.id = m.id returning c.id, c.revision`;
  return new Map(rows.map((row) => [row.id, row.revision]));
}
