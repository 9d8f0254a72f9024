/** Conversations as their readers are given them: each of one moment, many with one statement. */
import { PAGE_CHARACTERS } from '../../protocol/primitives.ts';
import type { Statement } from '../client.ts';
import type { ConversationRow, MessageRow } from './rows.ts';

/** `limit`: messages at most; fewer where they are long or have many branches. */
export type ViewWish = { userId: string; conversationId: string; limit: number };
/** `messages`: the end of the selected branch, oldest first. */
export type ConversationView = { conversation: ConversationRow; messages: MessageRow[] };

/**
 * See `chat.read_views` in migrations 0038 and 0043. Outside of any transaction.
 * @returns in the order of the wishes; undefined where the user has no such conversation, or not any more.
 */
export async function findViews(
  { sql }: Statement,
  wishes: readonly ViewWish[],
): Promise<(ConversationView | undefined)[]> {
  const rows = await sql<({ place: number } & ConversationView)[]>`
    select place, conversation, messages from chat.read_views(${wishes.map(({ userId }) => userId)}::uuid[],
      ${wishes.map(({ conversationId }) => conversationId)}::uuid[], ${wishes.map(({ limit }) => limit)}::int[], ${PAGE_CHARACTERS})`;
  const found = new Map(rows.map(({ place, conversation, messages }) => [place, { conversation, messages }]));
  return wishes.map((_, index) => found.get(index + 1));
}
