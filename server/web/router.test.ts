import { expect, it } from 'vitest';
import { adminParts, matchRoute, pathTo } from './router.ts';

it('reads what it writes', () => {
  expect(matchRoute(pathTo.home)).toEqual({ name: 'home' });
  expect(matchRoute(pathTo.chat('c1'))).toEqual({ name: 'chat', conversationId: 'c1' });
  expect(matchRoute(pathTo.avatar('a1'))).toEqual({ name: 'avatar', avatarId: 'a1' });
  expect(matchRoute(pathTo.newAvatar)).toEqual({ name: 'new-avatar' });
  expect(matchRoute(pathTo.admin)).toEqual({ name: 'admin', part: 'live' });
  for (const part of adminParts) expect(matchRoute(pathTo.adminPart(part))).toEqual({ name: 'admin', part });
  for (const name of ['usage', 'plan', 'creator', 'settings'] as const)
    expect(matchRoute(pathTo[name])).toEqual({ name });
});

it('knows what it does not know', () => {
  for (const path of [
    '/chat',
    '/chat/a/b',
    '/usage/x',
    '/admin',
    '/operation/live',
    '/operation/nowhere',
    '/operation/ledger/x',
    '/nowhere',
    '/avatars',
  ])
    expect(matchRoute(path), path).toEqual({ name: 'unknown' });
  expect(matchRoute('/settings/')).toEqual({ name: 'settings' });
});
