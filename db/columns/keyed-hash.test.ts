import { createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { keyedHash, normalizeMail } from './keyed-hash.ts';

test.each([
  ['Ann@Example.COM', 'ann@example.com'],
  [' ann@example.com ', 'ann@example.com'],
  ['ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ', 'ann@example.com'],
  ['ann@日本語.jp', 'ann@xn--wgv71a119e.jp'],
  ['ANN+TAG@example.com', 'ann+tag@example.com'],
])('000-Q3: %s is looked up as %s', (given, normal) => {
  expect(normalizeMail(given)).toBe(normal);
});

test.each([
  '',
  'ann',
  '@example.com',
  'ann@',
  'a b@example.com',
  'ann@exa mple.com',
  'a\u0000@example.com',
  'a\u202e@example.com',
  'a@b@example.com',
  'a@example.com/b',
  'a@example.com?b',
  'a@example.com#b',
  'a@example.com\\b',
  'a@exa%6dple.com',
  'a@example.com:25',
  'a@example..com',
  'a@.example.com',
  'a@example.com.',
  'a@example。。com',
  `${'a'.repeat(65)}@example.com`,
  `a@${'b'.repeat(300)}.com`,
])('refuses %j', (given) => {
  expect(normalizeMail(given)).toBeUndefined();
});

test('hashes depend on key, purpose and value, and on nothing else', () => {
  const key = createSecretKey(randomBytes(32));
  const hash = keyedHash(key, 'mail', 'a@example.com');
  expect(hash.length).toBe(32);
  expect(keyedHash(key, 'mail', 'a@example.com').equals(hash)).toBe(true);
  expect(keyedHash(createSecretKey(randomBytes(32)), 'mail', 'a@example.com').equals(hash)).toBe(false);
  expect(keyedHash(key, 'phone', 'a@example.com').equals(hash)).toBe(false);
  expect(keyedHash(key, 'mail', 'b@example.com').equals(hash)).toBe(false);
});
