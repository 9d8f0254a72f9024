/** Rows of chat as clients see them. */
import type { ConversationRow, MessageRow } from '../../db/chat/rows.ts';
import type { Conversation, Message } from '../../protocol/chat.ts';

export function toConversation(row: ConversationRow): Conversation {
  return {
    conversationId: row.id,
    avatarId: row.avatarId,
    kind: row.kind,
    lang: row.lang,
    title: row.title,
    revision: row.revision,
    startedAt: new Date(row.startedAtMs).toISOString(),
    lastMessageAt: row.lastMessageAtMs === null ? null : new Date(row.lastMessageAtMs).toISOString(),
  };
}

export function toMessage(row: MessageRow): Message {
  const { tokensIn, tokensOut } = row;
  return {
    messageId: row.id,
    conversationId: row.conversationId,
    parentId: row.parentId,
    role: row.role,
    text: row.text,
    clientMessageId: row.clientMessageId,
    generationId: row.generationId,
    finishReason: row.finishReason,
    usage: tokensIn === null || tokensOut === null ? null : { tokensIn, tokensOut },
    siblings: row.siblings,
    createdAt: new Date(row.createdAtMs).toISOString(),
  };
}

/** The page of a branch, oldest first, and where the next older one begins; nowhere when the branch begins with this one. */
export function toPage(rows: readonly MessageRow[]): { messages: Message[]; nextBefore: string | null } {
  const [oldest] = rows;
  return {
    messages: rows.map(toMessage),
    nextBefore: oldest !== undefined && oldest.parentId !== null ? oldest.id : null,
  };
}
