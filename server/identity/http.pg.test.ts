/** The account routes as the gateway calls them: programs, browsers, and pages of other sites. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAppError } from '../errors.ts';
import type { HttpReply, RouteRequest } from '../http.ts';
import { authRoutes } from './http.ts';
import { createIdentityHarness, type IdentityHarness, password } from './testing.ts';

let h: IdentityHarness;
beforeAll(async () => {
  h = await createIdentityHarness();
});
afterAll(() => h.close());

type Call = { body?: unknown; headers?: Record<string, string>; cookies?: Record<string, string>; bearer?: string };
const browser = { 'sec-fetch-site': 'same-origin', origin: 'https://chat.example.com', host: 'chat.example.com' };

async function call(
  path: string,
  { body, headers = {}, cookies = {}, bearer }: Call,
  secureCookies = true,
): Promise<HttpReply> {
  const route = authRoutes(h.identity, { secureCookies, trustedOrigins: ['https://app.example.com'] }).find(
    (each) => each.path === path,
  );
  if (route === undefined) throw new Error(`There is no route ${path}.`);
  const all = bearer === undefined ? headers : { ...headers, authorization: `Bearer ${bearer}` };
  const request: RouteRequest = {
    method: 'POST',
    path,
    query: new URLSearchParams(),
    headers: new Map(Object.entries(all)),
    body,
    rawBody: new Uint8Array(),
    address: '203.0.113.77',
    cookies: new Map(Object.entries(cookies)),
    signal: new AbortController().signal,
  };
  if (route.auth === 'bearer') request.caller = await h.identity.authenticate(bearer ?? '');
  return route.handle(request, {});
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  );
type Pair = { userId: string; accessToken: string; refreshToken?: string; expiresInS: number };
const pairOf = (reply: HttpReply) => reply.body as Pair;
const cookieOf = (reply: HttpReply) => String(reply.headers?.['set-cookie'] ?? '');
const refreshIn = (cookie: string) => ({ '__Secure-tsumugi-refresh': /=([^;]*)/.exec(cookie)?.[1] ?? '' });

describe('a program', () => {
  test('gets and sends the refresh token in the body, and no cookie', async () => {
    const email = h.newMail();
    const up = await call('/auth/sign-up', { body: { email, password } });
    expect(Object.keys(pairOf(up)).sort()).toEqual(['accessToken', 'expiresInS', 'refreshToken', 'userId']);
    expect(up.headers).toEqual({ 'cache-control': 'no-store' });
    const again = pairOf(await call('/auth/sign-in', { body: { email, password } }));
    const renewed = pairOf(await call('/auth/refresh', { body: { refreshToken: again.refreshToken } }));
    expect(renewed.userId).toBe(again.userId);
    const ticket = await call('/auth/socket-ticket', { bearer: renewed.accessToken });
    expect(ticket.body).toMatchObject({ expiresInS: 60 });
    await call('/auth/sign-out', { bearer: renewed.accessToken });
    expect(await codeOf(call('/auth/socket-ticket', { bearer: renewed.accessToken }))).toBe('identity.unauthenticated');
    expect(await codeOf(call('/auth/refresh', { body: {} }))).toBe('identity.unauthenticated');
    expect(await codeOf(call('/auth/sign-out', {}))).toBe('identity.unauthenticated');
  });
});

describe('a browser', () => {
  test('gets the refresh token as a cookie that scripts cannot read, and not in the body', async () => {
    const up = await call('/auth/sign-up', { body: { email: h.newMail(), password }, headers: browser });
    expect(pairOf(up).refreshToken).toBeUndefined();
    expect(cookieOf(up)).toMatch(
      /^__Secure-tsumugi-refresh=tsr_[\w-]{43}; Max-Age=2592000; Path=\/auth; HttpOnly; SameSite=Strict; Secure$/,
    );
    const renewed = await call('/auth/refresh', { headers: browser, cookies: refreshIn(cookieOf(up)) });
    expect(cookieOf(renewed)).not.toBe(cookieOf(up));
    const out = await call('/auth/sign-out', { headers: browser, cookies: refreshIn(cookieOf(renewed)) });
    expect(cookieOf(out)).toMatch(/^__Secure-tsumugi-refresh=; Max-Age=0; Path=\/auth/);
    expect(await codeOf(h.identity.authenticate(pairOf(renewed).accessToken))).toBe('identity.unauthenticated');
  });

  test('may say so itself; on plain loopback the cookie is not Secure', async () => {
    const up = await call(
      '/auth/sign-up',
      { body: { email: h.newMail(), password }, headers: { 'x-tsumugi-client': 'browser' } },
      false,
    );
    expect(cookieOf(up)).toMatch(
      /^tsumugi-refresh=tsr_[\w-]{43}; Max-Age=2592000; Path=\/auth; HttpOnly; SameSite=Strict$/,
    );
  });

  test('loses a cookie that is worth nothing when it signs out', async () => {
    const out = await call('/auth/sign-out', { headers: browser, cookies: { '__Secure-tsumugi-refresh': 'tsr_old' } });
    expect(cookieOf(out)).toContain('Max-Age=0');
  });
});

describe('a page of another site', () => {
  test.each([
    ['says cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['is a neighbour', { 'sec-fetch-site': 'same-site', origin: 'https://evil.example.com', host: 'chat.example.com' }],
    ['is from before Sec-Fetch-Site', { origin: 'https://evil.example.com', host: 'chat.example.com' }],
    ['hides its origin', { origin: 'null', host: 'chat.example.com' }],
  ])('is refused everywhere when it %s', async (_, headers) => {
    const up = await call('/auth/sign-up', { body: { email: h.newMail(), password }, headers: browser });
    const cookies = refreshIn(cookieOf(up));
    expect(await codeOf(call('/auth/refresh', { headers, cookies }))).toBe('identity.forbidden');
    expect(await codeOf(call('/auth/sign-out', { headers, cookies }))).toBe('identity.forbidden');
    expect(await codeOf(call('/auth/sign-in', { headers, body: { email: h.newMail(), password } }))).toBe(
      'identity.forbidden',
    );
    expect(await codeOf(h.identity.authenticate(pairOf(up).accessToken))).toBe('done');
    expect(await codeOf(call('/auth/refresh', { headers: browser, cookies }))).toBe('done');
  });

  test('is welcome when the operator trusts it', async () => {
    const headers = { 'sec-fetch-site': 'same-site', origin: 'https://app.example.com', host: 'chat.example.com' };
    expect(await codeOf(call('/auth/sign-up', { body: { email: h.newMail(), password }, headers }))).toBe('done');
  });
});
