/** Changes to the account: profile, password, sessions. */
import type { Account, SessionInfo } from '../../../protocol/identity.ts';
import type { UpBody } from '../../../protocol/up.ts';
import { chooseLang, type Lang } from '../i18n/translate.ts';
import { account, client, onSignedOut } from '../session/store.ts';
import { Paged } from '../ui/paged.ts';

export const sessions = new Paged<SessionInfo>(async (before) => {
  const page = await client().request('identity.list_sessions', before === undefined ? {} : { before });
  return { items: page.sessions, nextBefore: page.nextBefore };
});
onSignedOut(() => sessions.reset());

export async function saveProfile(change: UpBody<'identity.update_profile'>): Promise<Account> {
  const changed = await client().request('identity.update_profile', change);
  account.value = changed;
  return changed;
}

/** Switches the page at once; the account follows, so that mails and new devices speak the same language. */
export async function saveLocale(next: Lang): Promise<void> {
  chooseLang(next);
  await saveProfile({ locale: next });
}

export async function changePassword(currentPassword: string, newPassword: string): Promise<void> {
  await client().request('identity.change_password', { currentPassword, newPassword });
  await sessions.load();
}

export async function endSession(sessionId: string): Promise<void> {
  await client().request('identity.end_session', { sessionId });
  await sessions.load();
}
