/** What was typed and not sent, by conversation: kept over a reload in this tab, gone with the tab or the account. */
const prefix = 'tsumugi.draft.';

export const readDraft = (conversationId: string): string => sessionStorage.getItem(prefix + conversationId) ?? '';

export function keepDraft(conversationId: string, text: string): void {
  if (text === '') sessionStorage.removeItem(prefix + conversationId);
  else sessionStorage.setItem(prefix + conversationId, text);
}

export function forgetDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(prefix)) sessionStorage.removeItem(key);
  }
}
