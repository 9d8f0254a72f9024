/** Who is signed in in this tab, and the one client that speaks for them. */
import { computed, signal } from '@preact/signals';
import { TsumugiClient } from '../../../protocol/client.ts';
import type { Account } from '../../../protocol/identity.ts';
import { forgetDrafts } from '../chat/drafts.ts';
import { adoptLang, lang } from '../i18n/translate.ts';
import { AccessTokens } from './access-token.ts';
import { type NewAccount, postSignIn, postSignOut, postSignUp, requestJson } from './auth-api.ts';

export type SessionState = 'starting' | 'signed_out' | 'signed_in';

export const sessionState = signal<SessionState>('starting');
export const account = signal<Account | undefined>(undefined);
export const isAdmin = computed(() => account.value?.roles.includes('admin') ?? false);
/** True after a session ended by itself, so that the sign-in screen can say why it is shown. */
export const sessionEnded = signal(false);

const tokens = new AccessTokens(() => endHere(true));
const clientSignal = signal<TsumugiClient | undefined>(undefined);

/** Things that forget what they hold when the account leaves. */
const resets = new Set<() => void>();
export function onSignedOut(reset: () => void): void {
  resets.add(reset);
}

/** The client of the signed-in account. @throws when nobody is signed in */
export function client(): TsumugiClient {
  const current = clientSignal.value;
  if (current === undefined) throw new Error('Nobody is signed in.');
  return current;
}
export const currentClient = computed(() => clientSignal.value);

/** Takes up the session of the cookie, if there is one. Failing to reach the server keeps `starting`. */
export async function resumeSession(): Promise<void> {
  if (!localStorage.getItem(hintKey)) {
    sessionState.value = 'signed_out';
    return;
  }
  await tokens.get();
  await begin();
}

export async function signIn(email: string, password: string): Promise<void> {
  tokens.hold(await postSignIn(email, password));
  await begin();
}

export async function signUp(newAccount: Omit<NewAccount, 'locale' | 'timeZone'>): Promise<void> {
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  tokens.hold(await postSignUp({ ...newAccount, locale: lang.value, timeZone }));
  await begin();
}

/** Ends this session, or all of the account's. The page forgets either way. */
export async function signOut({ all = false }: { all?: boolean } = {}): Promise<void> {
  try {
    await postSignOut(await tokens.get(), all);
  } finally {
    endHere(false);
  }
}

/** Calls the operators' HTTP interface with this account's token. */
export async function requestAsAccount<Reply>(
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: unknown,
): Promise<Reply> {
  return requestJson<Reply>(path, { method, body, accessToken: await tokens.get() });
}

/** Not a secret: says only that asking for the cookie's session is worth a request. */
const hintKey = 'tsumugi.session';

const reloadKey = 'tsumugi.reloaded';
const reloadEveryMs = 60_000;

async function begin(): Promise<void> {
  const next = new TsumugiClient({ url: location.origin, getTicket: () => tokens.socketTicket() });
  next.onState((state) => {
    if (state === 'closed' && clientSignal.value === next) void endIfOver();
  });
  next.on('identity.signed_out', () => endHere(true));
  clientSignal.value = next;
  await next.connect();
  const me = await next.request('identity.me', {});
  adoptLang(me.locale);
  account.value = me;
  localStorage.setItem(hintKey, '1');
  sessionEnded.value = false;
  sessionState.value = 'signed_in';
}

/** The socket was closed for good: because the account's session is over, or because this page no longer fits the server. */
async function endIfOver(): Promise<void> {
  tokens.drop();
  try {
    // Ends the session here when the cookie is no longer good.
    await tokens.get();
  } catch {
    return;
  }
  // The session lives: a newer page may fit, and drafts outlive a reload. Not over and over, though.
  const lastMs = Number(sessionStorage.getItem(reloadKey) ?? 0);
  if (Date.now() - lastMs < reloadEveryMs) return;
  sessionStorage.setItem(reloadKey, String(Date.now()));
  location.reload();
}

function endHere(unexpected: boolean): void {
  tokens.drop();
  localStorage.removeItem(hintKey);
  const ending = clientSignal.value;
  clientSignal.value = undefined;
  ending?.close();
  forgetDrafts();
  for (const reset of resets) reset();
  account.value = undefined;
  sessionEnded.value = unexpected && sessionState.value === 'signed_in';
  sessionState.value = 'signed_out';
}
