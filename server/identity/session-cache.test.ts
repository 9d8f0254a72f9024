import { expect, test } from 'vitest';
import { SessionCache } from './session-cache.ts';

const principal = (sessionId: string) => ({ userId: 'u', sessionId, roles: [] });
const fill = (cache: SessionCache, token: string, sessionId: string, expiresMs = 1_000_000) =>
  cache.put(token, principal(sessionId), expiresMs, 0, cache.changes);

test('remembers for its life, and no longer than the token lives', () => {
  const cache = new SessionCache({ maxTokens: 10, lifeMs: 1_000 });
  fill(cache, 'a', 's');
  fill(cache, 'b', 's', 500);
  expect(cache.get('a', 999)).toEqual(principal('s'));
  expect(cache.get('a', 1_000)).toBeUndefined();
  expect(cache.get('b', 499)).toEqual(principal('s'));
  expect(cache.get('b', 500)).toBeUndefined();
});

test('forgets every token of a session', () => {
  const cache = new SessionCache({ maxTokens: 10, lifeMs: 1_000 });
  fill(cache, 'a', 's');
  fill(cache, 'b', 's');
  fill(cache, 'c', 'other');
  cache.drop('s');
  expect([cache.get('a', 0), cache.get('b', 0)]).toEqual([undefined, undefined]);
  expect(cache.get('c', 0)).toEqual(principal('other'));
});

test('does not keep what was looked up while its session ended', () => {
  const cache = new SessionCache({ maxTokens: 10, lifeMs: 1_000 });
  const before = cache.changes;
  cache.drop('s');
  cache.put('a', principal('s'), 1_000_000, 0, before);
  expect(cache.get('a', 0)).toBeUndefined();
});

test('holds no more than it may, oldest out first', () => {
  const cache = new SessionCache({ maxTokens: 3, lifeMs: 1_000 });
  for (let i = 0; i < 10; i++) fill(cache, `t${i}`, `s${i}`);
  expect([6, 7, 8, 9].map((i) => cache.get(`t${i}`, 0)?.sessionId)).toEqual([undefined, 's7', 's8', 's9']);
});
