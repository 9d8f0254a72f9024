/** Where the page is. Owns the History API; refuses to know what the screens show. */
import { computed, signal } from '@preact/signals';

export type Route =
  | { name: 'home' }
  | { name: 'chat'; conversationId: string }
  | { name: 'new-avatar' }
  | { name: 'avatar'; avatarId: string }
  | { name: 'usage' }
  | { name: 'plan' }
  | { name: 'creator' }
  | { name: 'settings' }
  | { name: 'admin'; part: AdminPart }
  | { name: 'unknown' };

export const adminParts = ['live', 'ledger', 'plans', 'purchases', 'payouts'] as const;
export type AdminPart = (typeof adminParts)[number];

/** Reads a path; anything unknown is its own route, so that a wrong link says so. */
export function matchRoute(path: string): Route {
  const [first, second, ...rest] = path.split('/').filter((part) => part !== '');
  if (rest.length > 0) return { name: 'unknown' };
  if (first === undefined) return { name: 'home' };
  if (first === 'chat' && second !== undefined) return { name: 'chat', conversationId: second };
  if (first === 'avatars' && second === 'new') return { name: 'new-avatar' };
  if (first === 'avatars' && second !== undefined) return { name: 'avatar', avatarId: second };
  // Not below `/admin`: those addresses are the operators' HTTP interface, and a reload would ask that.
  if (first === 'operation') {
    const part = adminParts.find((each) => each === (second ?? 'live'));
    return part === undefined || second === 'live' ? { name: 'unknown' } : { name: 'admin', part };
  }
  if (second !== undefined) return { name: 'unknown' };
  if (first === 'usage' || first === 'plan' || first === 'creator' || first === 'settings') return { name: first };
  return { name: 'unknown' };
}

export const pathTo = {
  home: '/',
  newAvatar: '/avatars/new',
  usage: '/usage',
  plan: '/plan',
  creator: '/creator',
  settings: '/settings',
  admin: '/operation',
  adminPart: (part: AdminPart) => (part === 'live' ? '/operation' : `/operation/${part}`),
  chat: (conversationId: string) => `/chat/${conversationId}`,
  avatar: (avatarId: string) => `/avatars/${avatarId}`,
} as const;

const path = signal('/');
export const currentPath = computed(() => path.value);
export const route = computed(() => matchRoute(path.value));

/** Goes to `to`; the same path again does nothing. */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  if (to === path.value) return;
  if (replace) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  path.value = to;
}

/** Takes up the address bar and follows back and forward. Call once. */
export function startRouter(): void {
  path.value = location.pathname;
  addEventListener('popstate', () => {
    path.value = location.pathname;
  });
}
