import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { AuthClient } from './auth-client.ts';

type Asked = { path: string; body: Record<string, unknown>; authorization: string | undefined; client: unknown };
let http: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (http === undefined ? resolve() : http.close(() => resolve()))));

/** A server that gives out numbered tokens, or what `answer` says. */
async function setUp(answer: (asked: Asked) => [number, unknown] | undefined = () => undefined) {
  const asked: Asked[] = [];
  const clock = { nowMs: 0, now: () => clock.nowMs, after: () => ({ cancel: () => {} }) };
  http = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const one = {
      path: request.url ?? '',
      body: JSON.parse(text),
      authorization: request.headers.authorization,
      client: request.headers['x-tsumugi-client'],
    };
    asked.push(one);
    const number = asked.length;
    const pair = { userId: 'u', accessToken: `a${number}`, refreshToken: `r${number}`, expiresInS: 900 };
    const [status, body] = answer(one) ?? [200, one.path === '/auth/socket-ticket' ? { ticket: `t${number}` } : pair];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => http?.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { asked, clock, url, auth: new AuthClient({ url, clock }) };
}

it('renews the access token shortly before its end, once for all who ask', async () => {
  const { asked, clock, auth } = await setUp();
  await auth.signIn('a@example.com', 'secret');
  clock.nowMs = 860_000;
  expect(await auth.accessToken()).toBe('a1');
  clock.nowMs = 880_000;
  expect(await Promise.all([auth.accessToken(), auth.accessToken(), auth.accessToken()])).toEqual(['a2', 'a2', 'a2']);
  expect(asked.map(({ path, body }) => [path, body])).toEqual([
    ['/auth/sign-in', { email: 'a@example.com', password: 'secret' }],
    ['/auth/refresh', { refreshToken: 'r1' }],
  ]);
});

it('fetches tickets with the access token and forgets everything at sign-out', async () => {
  const { asked, auth } = await setUp();
  await auth.signUp({ email: 'a@example.com', password: 'long enough' });
  expect(await auth.socketTicket()).toBe('t2');
  await auth.signOut({ all: true });
  expect(asked.slice(1).map(({ path, authorization }) => [path, authorization])).toEqual([
    ['/auth/socket-ticket', 'Bearer a1'],
    ['/auth/sign-out', 'Bearer a1'],
  ]);
  await expect(auth.accessToken()).rejects.toMatchObject({ code: 'identity.unauthenticated' });
});

it('forgets the tokens when the server refuses them, keeps them when it is away', async () => {
  let status = 503;
  const { clock, auth } = await setUp(({ path }) =>
    path === '/auth/refresh'
      ? [
          status,
          { error: { code: status === 503 ? 'busy' : 'identity.token_reused', message: 'no', retryAfterMs: 50 } },
        ]
      : undefined,
  );
  await auth.signIn('a@example.com', 'secret');
  clock.nowMs = 900_000;
  await expect(auth.accessToken()).rejects.toMatchObject({ code: 'busy', retryAfterMs: 50 });
  expect(auth.tokens?.refreshToken).toBe('r1');
  status = 401;
  await expect(auth.accessToken()).rejects.toMatchObject({ code: 'identity.token_reused' });
  expect(auth.tokens).toBeUndefined();
});

it('renews an access token that the server has forgotten, once', async () => {
  let forgets = true;
  const { asked, auth } = await setUp(({ path, authorization }) =>
    path === '/auth/socket-ticket' && (forgets || authorization === 'Bearer a1')
      ? [401, { error: { code: 'identity.unauthenticated', message: 'unknown token' } }]
      : undefined,
  );
  await auth.signIn('a@example.com', 'secret');
  await expect(auth.socketTicket()).rejects.toMatchObject({ code: 'identity.unauthenticated' });
  expect(asked.map(({ path }) => path)).toEqual([
    '/auth/sign-in',
    '/auth/socket-ticket',
    '/auth/refresh',
    '/auth/socket-ticket',
  ]);
  forgets = false;
  expect(await auth.socketTicket()).toBe('t5');
});

it('in a page asks by cookie, without a token of its own', async () => {
  const { asked, url } = await setUp();
  const auth = new AuthClient({ url, browser: true });
  expect(await auth.accessToken()).toBe('a1');
  expect(asked[0]).toMatchObject({ path: '/auth/refresh', body: {}, client: 'browser' });
});

it('calls a server that cannot be reached, or that is none of ours, unreachable', async () => {
  await expect(new AuthClient({ url: 'http://127.0.0.1:9' }).signIn('a', 'b')).rejects.toMatchObject({
    code: 'client.unreachable',
  });
  const { auth } = await setUp(() => [418, '<html>']);
  await expect(auth.signIn('a', 'b')).rejects.toMatchObject({ code: 'client.unreachable' });
});
