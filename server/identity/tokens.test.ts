import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { hashToken, newAccessToken, newRefreshToken, readAccessToken, successorOf } from './tokens.ts';

test('an access token names its session and hides 256 random bits', () => {
  const [userId, sessionId] = [uuidv7(), uuidv7()];
  const token = newAccessToken(userId, sessionId);
  expect(readAccessToken(token)).toEqual({ userId, sessionId });
  expect(newAccessToken(userId, sessionId)).not.toBe(token);
  expect(hashToken(token).length).toBe(32);
});

test.each([
  '',
  'tsa_',
  `tsr_${'A'.repeat(86)}`,
  `tsa_${'A'.repeat(85)}`,
  `tsa_${'A'.repeat(87)}`,
  `tsa_${'!'.repeat(86)}`,
  `tsa_${'A'.repeat(86)}\n`,
])('no access token: %j', (text) => {
  expect(readAccessToken(text)).toBeUndefined();
});

test('a successor needs both the token and the salt', () => {
  const token = newRefreshToken();
  const salt = randomBytes(32);
  expect(successorOf(token, salt)).toBe(successorOf(token, salt));
  expect(successorOf(token, salt)).not.toBe(successorOf(token, randomBytes(32)));
  expect(successorOf(token, salt)).not.toBe(successorOf(newRefreshToken(), salt));
  expect(successorOf(token, salt)).toMatch(/^tsr_[A-Za-z0-9_-]{43}$/);
});
