/**
 * Tokens: opaque, random, stored as SHA-256 only. An access token names its session, so that the live store finds it
 * without a search; the names are no secret and prove nothing.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { keyIdToUuid, uuidToKeyId } from '../../db/columns/encrypted.ts';

const ACCESS = 'tsa_';
const REFRESH = 'tsr_';
const TICKET = 'tst_';
const SECRET_BYTES = 32;

export type AccessTokenParts = Readonly<{ userId: string; sessionId: string }>;

export function newAccessToken(userId: string, sessionId: string): string {
  const bytes = Buffer.concat([uuidToKeyId(userId), uuidToKeyId(sessionId), randomBytes(SECRET_BYTES)]);
  return ACCESS + bytes.toString('base64url');
}

/** Whom a token claims to belong to. Undefined for anything that is no access token. */
export function readAccessToken(token: string): AccessTokenParts | undefined {
  if (!/^tsa_[A-Za-z0-9_-]{86}$/.test(token)) return undefined;
  const bytes = Buffer.from(token.slice(ACCESS.length), 'base64url');
  return { userId: keyIdToUuid(bytes.subarray(0, 16)), sessionId: keyIdToUuid(bytes.subarray(16, 32)) };
}

export function newRefreshToken(): string {
  return REFRESH + randomBytes(SECRET_BYTES).toString('base64url');
}

export function newTicket(): string {
  return TICKET + randomBytes(SECRET_BYTES).toString('base64url');
}

/**
 * What a refresh token is exchanged for. The same salt and token give the same successor: two tabs that refresh at once end
 * with one token. The salt is stored, the token is not: neither a thief of the database nor one of the token can compute it.
 */
export function successorOf(refreshToken: string, salt: Buffer): string {
  return REFRESH + createHmac('sha256', salt).update(refreshToken).digest('base64url');
}

/** What is stored of a token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
