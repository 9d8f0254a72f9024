/** A conversation as its readers are given it, of one moment: one statement, so that nothing changes between its parts. */
import type { Tx } from '../client.ts';
import { CONVERSATION_COLUMNS } from './conversations.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import type { ConversationRow, MessageRow } from './rows.ts';

/** `messages`: the end of the selected branch, oldest first. */
export type ConversationView = { conversation: ConversationRow; messages: MessageRow[] };

/** A live conversation that the caller may see, with up to `limit` messages. */
export async function findView(tx: Tx, conversationId: string, limit: number): Promise<ConversationView | undefined> {
  const rows = await tx.sql<ConversationView[]>`
    with recursive conversation as (
      select ${tx.sql.unsafe(CONVERSATION_COLUMNS)} from chat.conversations c
      where c.id = ${conversationId} and c.deleted_at is null
    ), branch as (
      select m.id, m.parent_id, 1 as depth from conversation c
      join chat.messages m on m.conversation_id = ${conversationId} and m.id = c."headMessageId"
      union all
      select m.id, m.parent_id, b.depth + 1 from branch b
      join chat.messages m on m.conversation_id = ${conversationId} and m.id = b.parent_id where b.depth < ${limit}
    ), page as (
      select b.depth, message from branch b join lateral (
        select ${tx.sql.unsafe(MESSAGE_COLUMNS)} from chat.messages m where m.id = b.id) as message on true
    )
    select to_json(c) as conversation,
      coalesce((select json_agg(p.message order by p.depth desc) from page p), '[]') as messages
    from conversation c`;
  return rows[0];
}
