/** The account's conversations, last used first, with what other devices did to them. */
import type { Conversation } from '../../../protocol/chat.ts';
import { fetchAvatars, unknownOf } from '../avatars/store.ts';
import { client, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';

export type ConversationPage = Readonly<{ items: readonly Conversation[]; nextBefore: string | null }>;

const pageSize = 30;

export const conversations = new Loaded<ConversationPage>(() => fetchPage(undefined));
onSignedOut(() => conversations.reset());

async function fetchPage(before: string | undefined): Promise<ConversationPage> {
  const page = await client().request('chat.list_conversations', {
    limit: pageSize,
    ...(before === undefined ? {} : { before }),
  });
  await fetchAvatars(unknownOf(page.conversations.map(({ avatarId }) => avatarId)));
  return { items: page.conversations, nextBefore: page.nextBefore };
}

export async function loadMoreConversations(): Promise<void> {
  const shown = conversations.value;
  if (shown?.nextBefore === null || shown === undefined) return;
  const page = await fetchPage(shown.nextBefore);
  conversations.set({ items: [...shown.items, ...page.items], nextBefore: page.nextBefore });
}

/** Opens a conversation with an avatar; an empty one is used again. @returns its id */
export async function openConversation(avatarId: string, lang: 'en' | 'ja'): Promise<string> {
  const { conversationId } = await client().request('chat.open', { avatarId, kind: 'conversation', lang });
  void conversations.load();
  return conversationId;
}

export async function deleteConversation(conversationId: string): Promise<void> {
  await client().request('chat.delete_conversation', { conversationId });
  forgetConversation(conversationId);
}

export function forgetConversation(conversationId: string): void {
  const shown = conversations.value;
  if (shown === undefined) return;
  conversations.set({ ...shown, items: shown.items.filter((each) => each.conversationId !== conversationId) });
}
