/** What an operator sees and does, over the HTTP interface for operators. */
import type { ConnectionPage, EventPage, GenerationPage, UserPage } from '../../ops/admin-shapes.ts';
import { onSignedOut, requestAsAccount } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';

export const connections = new Loaded(() => requestAsAccount<ConnectionPage>('GET', '/admin/connections?limit=50'));
export const generations = new Loaded(() => requestAsAccount<GenerationPage>('GET', '/admin/generations?limit=50'));
export const users = new Loaded(() => requestAsAccount<UserPage>('GET', '/admin/users?limit=20'));
export const events = new Loaded(() => requestAsAccount<EventPage>('GET', '/admin/events?limit=20'));
const all = [connections, generations, users, events] as const;

onSignedOut(() => {
  for (const each of all) each.reset();
});

/** Fetches everything anew; what cannot be had says so in its place. */
export async function refreshAll(): Promise<void> {
  await Promise.all(all.map((each) => each.load()));
}

export async function searchUsers(email: string): Promise<void> {
  users.set(await requestAsAccount<UserPage>('POST', '/admin/users/search', { email }));
}

export async function closeConnection(connectionId: string): Promise<void> {
  await requestAsAccount('POST', `/admin/connections/${encodeURIComponent(connectionId)}/close`);
  await connections.load();
}

/** @returns how many sessions were ended */
export async function signOutUser(userId: string): Promise<number> {
  const { sessions } = await requestAsAccount<{ sessions: number }>(
    'POST',
    `/admin/users/${encodeURIComponent(userId)}/sign-out`,
  );
  return sessions;
}

export const drain = (): Promise<unknown> => requestAsAccount('POST', '/admin/drain');
