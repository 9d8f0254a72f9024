/**
 * The HTTP side of the account. The refresh token lives in an HttpOnly cookie that no script can read; the access token
 * lives in this module's caller, in memory only.
 */

import type { Static } from 'typebox';
import type { SocketTicket, TokenPair } from '../../../protocol/identity.ts';

type Tokens = Static<typeof TokenPair>;

/** An error answer of the server, or `client.offline` when there was none. */
export class RequestError extends Error {
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, retryAfterMs?: number, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
  }
}

type HttpOptions = { method?: 'GET' | 'POST' | 'PUT'; body?: unknown; accessToken?: string | undefined };

/** Sends JSON and reads JSON. @throws RequestError */
export async function requestJson<Reply>(
  path: string,
  { method = 'POST', body, accessToken }: HttpOptions = {},
): Promise<Reply> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: {
        'x-tsumugi-client': 'browser',
        ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
        ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      },
      ...(method === 'GET' ? {} : { body: JSON.stringify(body ?? {}) }),
    });
  } catch {
    throw new RequestError('client.offline', 'The server cannot be reached.');
  }
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw readError(answer, response.status);
  return answer as Reply;
}

function readError(answer: unknown, status: number): RequestError {
  const error = isRecord(answer) && isRecord(answer['error']) ? answer['error'] : {};
  const { code, message, retryAfterMs, details } = error;
  return new RequestError(
    typeof code === 'string' ? code : status >= 500 ? 'internal' : 'protocol.malformed',
    typeof message === 'string' ? message : `HTTP ${status}`,
    typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    isRecord(details) ? details : {},
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

export type NewAccount = {
  email: string;
  password: string;
  displayName?: string;
  locale: 'en' | 'ja';
  timeZone: string;
};

export const postSignUp = (account: NewAccount): Promise<Tokens> => requestJson('/auth/sign-up', { body: account });
export const postSignIn = (email: string, password: string): Promise<Tokens> =>
  requestJson('/auth/sign-in', { body: { email, password } });
export const postRefresh = (): Promise<Tokens> => requestJson('/auth/refresh');
export const postSignOut = (accessToken: string | undefined, all: boolean): Promise<unknown> =>
  requestJson('/auth/sign-out', { body: { all }, accessToken });
export const postSocketTicket = (accessToken: string): Promise<Static<typeof SocketTicket>> =>
  requestJson('/auth/socket-ticket', { accessToken });
