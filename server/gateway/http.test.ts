/** HTTP over a real connection: routes, bodies, errors, limits. */
import { once } from 'node:events';
import { connect } from 'node:net';
import Type from 'typebox';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { callerOf, type HttpRequest, type Route } from '../http.ts';
import type { GatewayOptions } from './gateway.ts';
import { noMetrics } from './metrics.ts';
import { startGateway, type TestGateway } from './test-gateway.ts';

let running: TestGateway | undefined;
afterEach(() => {
  running?.gateway.close();
  running = undefined;
});
async function start(routes: Route[], options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  running = await startGateway({ routes, ...options });
  return running;
}
const route = (method: Route['method'], path: string, handle: Route['handle'], more: Partial<Route> = {}): Route => ({
  method,
  path,
  says: '',
  errors: [],
  handle,
  ...more,
});
const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('a request', () => {
  it('reaches its route with everything that was sent', async () => {
    let seen: HttpRequest | undefined;
    const echo = route('POST', '/things/:thingId/parts/:partId', (request, params) => {
      seen = request;
      return { status: 201, body: params, headers: { 'set-cookie': ['a=1', 'b=2'], 'x-line': 'one\r\ntwo: 2' } };
    });
    const { httpUrl } = await start([echo]);
    const response = await fetch(`${httpUrl}/things/a%20b/parts/%E7%B4%A1?q=1&q=2`, {
      ...json({ n: [1] }),
      headers: { 'content-type': 'application/json', cookie: 'x=1; y="2"; x=3' },
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ thingId: 'a b', partId: '紡' });
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(response.headers.get('x-line')).toBe('one two: 2');
    expect(seen).toMatchObject({
      method: 'POST',
      path: '/things/a%20b/parts/%E7%B4%A1',
      body: { n: [1] },
      address: '127.0.0.1',
    });
    expect(seen?.query.getAll('q')).toEqual(['1', '2']);
    expect([...(seen?.cookies ?? [])]).toEqual([
      ['x', '1'],
      ['y', '2'],
    ]);
    expect(new TextDecoder().decode(seen?.rawBody)).toBe('{"n":[1]}');
  });

  it('gives a route that takes bytes exactly those, whatever they say they are', async () => {
    const hooks = route(
      'POST',
      '/hook',
      (request) => ({
        status: 200,
        body: { text: Buffer.from(request.rawBody).toString(), parsed: request.body === undefined },
      }),
      { takesBytes: true },
    );
    const { httpUrl } = await start([hooks]);
    for (const body of ['{"broken":', '['.repeat(5_000), '']) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${httpUrl}/hook`, { method: 'POST', body, headers });
      expect([response.status, await response.json()]).toEqual([200, { text: body, parsed: true }]);
    }
  });

  it('believes only as many proxies as it is told', async () => {
    const address = route('GET', '/address', (request) => ({ status: 200, body: request.address }));
    const forwarded = { headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.0.0.1' } };
    const ask = async (trustedHops: number) => {
      const { httpUrl, gateway } = await start([address], { trustedHops });
      const text = await (await fetch(`${httpUrl}/address`, forwarded)).text();
      gateway.close();
      return text;
    };
    expect(await ask(0)).toBe('127.0.0.1');
    expect(await ask(1)).toBe('10.0.0.1');
    expect(await ask(2)).toBe('203.0.113.9');
  });

  it('may be HEAD: the same headers without the body', async () => {
    const { httpUrl } = await start([route('GET', '/page', () => ({ status: 200, body: { a: 1 } }))]);
    const response = await fetch(`${httpUrl}/page`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, '7', '']);
  });

  it('may be answered without a body, and then none is announced', async () => {
    const { httpUrl } = await start([route('DELETE', '/thing', () => ({ status: 204 }))]);
    const response = await fetch(`${httpUrl}/thing`, { method: 'DELETE' });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([204, null, '']);
  });

  it('gets 404 for an unknown address, 405 with `allow` for an unknown method, in the wished language', async () => {
    const { httpUrl } = await start([
      route('GET', '/a', () => ({ status: 200 })),
      route('PUT', '/a', () => ({ status: 200 })),
      route('GET', '/named/:name', (_, { name }) => ({ status: 200, body: { name } })),
    ]);
    const missing = await fetch(`${httpUrl}/b`, { headers: { 'accept-language': 'ja,en;q=0.8' } });
    expect([missing.status, await missing.json()]).toEqual([
      404,
      { error: { code: 'protocol.not_found', message: 'このアドレスには何もありません。' } },
    ]);
    const refused = await fetch(`${httpUrl}/a`, { method: 'DELETE' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT']);
    expect((await fetch(`${httpUrl}/a`, { method: 'OPTIONS' })).status).toBe(405);
    expect((await fetch(`${httpUrl}/%E0%A4%A`)).status).toBe(404);
    expect((await fetch(`${httpUrl}/named/%00`)).status).toBe(404);
    expect(await (await fetch(`${httpUrl}/named/%E7%B4%A1`)).json()).toEqual({ name: '紡' });
  });

  it('carries headers that keep browsers careful, and none that open it to other origins', async () => {
    const { httpUrl } = await start([]);
    const { headers } = await fetch(httpUrl, { headers: { origin: 'https://evil.example' } });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'");
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('the body', () => {
  const Body = Type.Object({ email: Type.String({ minLength: 3 }), age: Type.Optional(Type.Integer()) });
  const bodies = (more: Partial<Route> = {}): Route[] => [
    route('POST', '/checked', (request) => ({ status: 200, body: request.body }), { body: Body, ...more }),
    route('POST', '/optional', (request) => ({ status: 200, body: request.body }), { body: Type.Object({}) }),
    route('POST', '/raw', (request) => ({
      status: 200,
      body: { length: request.rawBody.byteLength, body: request.body === undefined },
    })),
  ];
  const errorOf = async (response: Response) => ({ status: response.status, ...(await response.json()).error });

  it('is checked against the schema before the route sees it', async () => {
    const { httpUrl } = await start(bodies());
    expect(await (await fetch(`${httpUrl}/checked`, json({ email: 'a@b' }))).json()).toEqual({ email: 'a@b' });
    expect(await errorOf(await fetch(`${httpUrl}/checked`, json({ email: 'a@b', age: 'x' })))).toEqual({
      status: 400,
      code: 'protocol.invalid_body',
      message: 'age: expected integer.',
      details: { field: 'age', expected: 'integer' },
    });
    expect(await errorOf(await fetch(`${httpUrl}/checked`, { method: 'POST' }))).toMatchObject({
      details: { field: 'email' },
    });
  });

  it.each([
    ['broken JSON', '{"a":'],
    ['a key that reaches prototypes', '{"__proto__":{"admin":true}}'],
    ['deep nesting', '['.repeat(5000) + ']'.repeat(5000)],
  ])('is refused: %s', async (_, body) => {
    const { httpUrl } = await start(bodies());
    const response = await fetch(`${httpUrl}/optional`, { ...json(null), body });
    expect(await errorOf(response)).toMatchObject({ status: 400, code: 'protocol.malformed' });
  });

  it('must say that it is JSON, so that forms of other sites cannot send it', async () => {
    const { httpUrl } = await start(bodies());
    const form = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{"email":"a@b"}' };
    expect(await errorOf(await fetch(`${httpUrl}/checked`, form))).toMatchObject({
      status: 400,
      code: 'protocol.malformed',
    });
    expect(await (await fetch(`${httpUrl}/optional`, { method: 'POST' })).json()).toEqual({});
    expect(await (await fetch(`${httpUrl}/raw`, form)).json()).toEqual({ length: 15, body: true });
  });

  it.each([
    ['announced', (url: string) => fetch(url, json('x'.repeat(70_000)))],
    [
      'streamed without a length',
      (url: string) =>
        fetch(url, { method: 'POST', body: new Blob(['x'.repeat(70_000)]).stream(), duplex: 'half' } as RequestInit),
    ],
  ])('is limited in size: %s', async (_, send) => {
    const { httpUrl } = await start(bodies());
    expect(await errorOf(await send(`${httpUrl}/raw`))).toMatchObject({ status: 413, code: 'protocol.too_large' });
  });

  it('may be larger where a route says so, and comes in many pieces', async () => {
    const { httpUrl } = await start([
      route('POST', '/upload', (r) => ({ status: 200, body: r.rawBody.byteLength }), { maxBodyBytes: 3_000_000 }),
    ]);
    expect(await (await fetch(`${httpUrl}/upload`, { method: 'POST', body: new Uint8Array(2_500_000) })).json()).toBe(
      2_500_000,
    );
  });
});

describe('who asks', () => {
  it('is checked before the body, and told to the route', async () => {
    const handle: Route['handle'] = (request) => ({ status: 200, body: callerOf(request).roles });
    const { httpUrl } = await start([
      route('POST', '/mine', handle, { auth: 'bearer', body: Type.Object({ a: Type.String() }) }),
      route('GET', '/admin', handle, { auth: 'admin' }),
    ]);
    const status = async (path: string, token: string, init: RequestInit = {}) =>
      (
        await fetch(httpUrl + path, {
          ...init,
          headers: { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) },
        })
      ).status;
    expect(await status('/mine', '', json({}))).toBe(401);
    expect(await status('/mine', 'nobody', json({}))).toBe(401);
    expect(await status('/mine', 'good', json({}))).toBe(400);
    expect(await status('/mine', 'good', json({ a: '' }))).toBe(200);
    expect(await status('/admin', '')).toBe(401);
    expect((await fetch(`${httpUrl}/admin`)).headers.get('www-authenticate')).toBe('Bearer');
    expect(await status('/admin', 'good')).toBe(403);
    expect(await status('/admin', 'admin')).toBe(200);
  });

  it('is found out first by a route that does it itself, with the body it would have refused at hand', async () => {
    const { httpUrl } = await start([
      route('POST', '/itself', ({ bodyFault }) => ({ status: 200, body: { fault: bodyFault?.code ?? null } }), {
        checksItself: 'admin',
        body: Type.Object({ a: Type.String() }),
      }),
    ]);
    const ask = async (init: RequestInit) => (await fetch(`${httpUrl}/itself`, init)).json();
    expect(await ask(json({ a: '' }))).toEqual({ fault: null });
    expect(await ask(json({}))).toEqual({ fault: 'protocol.invalid_body' });
    expect(await ask({ ...json({}), body: '{' })).toEqual({ fault: 'protocol.malformed' });
  });
});

describe('what goes wrong', () => {
  it('has the status of its code, the time to wait, and no inner detail', async () => {
    const { httpUrl, log } = await start([
      route('GET', '/wait', () => {
        throw new AppError('protocol.rate_limited', { retryAfterMs: 1200, limit: 5 });
      }),
      route('GET', '/bug', () => {
        throw new Error('secret');
      }),
    ]);
    const wait = await fetch(`${httpUrl}/wait`);
    expect([wait.status, wait.headers.get('retry-after')]).toEqual([429, '2']);
    expect((await wait.json()).error).toMatchObject({
      code: 'protocol.rate_limited',
      retryAfterMs: 1200,
      details: { limit: 5 },
    });
    const bug = await fetch(`${httpUrl}/bug`);
    expect(bug.status).toBe(500);
    expect(await bug.text()).not.toContain('secret');
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', facts: { route: '/bug' } });
  });

  it('does not keep a client waiting for ever', async () => {
    const clock = new ManualClock();
    const { promise: asked, resolve } = Promise.withResolvers<AbortSignal>();
    const { httpUrl } = await start(
      [
        route('GET', '/never', (request) => {
          resolve(request.signal);
          return new Promise(() => {});
        }),
      ],
      { clock },
    );
    const response = fetch(`${httpUrl}/never`);
    const signal = await asked;
    clock.advance(30_000);
    expect((await response).status).toBe(503);
    expect(signal.aborted).toBe(true);
  });

  it('is no harm when the client went away: the route learns it, and its late reply is dropped', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<AbortSignal>();
    const { promise: reply, resolve: answer } = Promise.withResolvers<{ status: number }>();
    const done: string[] = [];
    const metrics = {
      ...noMetrics,
      requestDone: (...[, route, status]: unknown[]) => void done.push(`${route} ${status}`),
    };
    const slow = route('GET', '/slow', (request) => {
      ask(request.signal);
      return reply;
    });
    const { port, httpUrl, log } = await start([slow], { metrics });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    const signal = await asked;
    socket.destroy();
    await once(signal, 'abort');
    answer({ status: 200 });
    expect((await fetch(httpUrl)).status).toBe(404);
    expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect(done).toEqual(['/slow 499', 'none 404']);
  });

  it('cannot be two routes for one address', async () => {
    const same = [route('GET', '/x/:a', () => ({ status: 200 })), route('GET', '/x/:b', () => ({ status: 200 }))];
    await expect(start(same)).rejects.toThrow('Two routes for GET /x/:b');
  });
});

it('sends a body larger than any buffer whole, even to a slow reader', async () => {
  const big = new Uint8Array(20_000_000).fill(7);
  const { port } = await start([
    route('GET', '/big', () => ({ status: 200, body: big, headers: { 'content-type': 'application/octet-stream' } })),
  ]);
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(socket, 'readable');
  let bytes = 0;
  for await (const chunk of socket) {
    bytes += (chunk as Buffer).byteLength;
    if (bytes > big.byteLength) break;
  }
  expect(bytes).toBeGreaterThan(big.byteLength);
});

it('buffers nothing for a client that asks again and again without reading: its line is cut', async () => {
  const big = new Uint8Array(20_000_000);
  let asked = 0;
  const { port } = await start([
    route('GET', '/big', () => {
      asked += 1;
      return { status: 200, body: big };
    }),
  ]);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100));
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.byteLength;
  });
  await once(socket, 'close');
  expect(asked).toBe(1);
  expect(bytes).toBeLessThan(big.byteLength);
});
