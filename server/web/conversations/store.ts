/** The account's conversations, last used first, with what other devices did to them. */
import type { Conversation } from '../../../protocol/chat.ts';
import { fetchAvatars, unknownOf } from '../avatars/store.ts';
import { client, onSignedOut } from '../session/store.ts';
import { type Page, Paged } from '../ui/paged.ts';

const pageSize = 30;
const longestPage = 100;

export const conversations = new Paged<Conversation>((before) => fetchPage(before));
onSignedOut(() => conversations.reset());

async function fetchPage(before: string | undefined): Promise<Page<Conversation>> {
  // Read again after each answer: what had been asked for stays in the list as far as one page can hold it.
  const shown = before === undefined ? (conversations.value?.items.length ?? 0) : 0;
  const page = await client().request('chat.list_conversations', {
    limit: Math.min(Math.max(shown, pageSize), longestPage),
    ...(before === undefined ? {} : { before }),
  });
  await fetchAvatars(unknownOf(page.conversations.map(({ avatarId }) => avatarId)));
  return { items: page.conversations, nextBefore: page.nextBefore };
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
