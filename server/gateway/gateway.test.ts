/** Who gets in, and how connections end. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { subprotocols } from '../../protocol/codec.ts';
import { systemClock } from '../clock.ts';
import type { Principal } from '../http.ts';
import type { GatewayOptions } from './gateway.ts';
import { noMetrics } from './metrics.ts';
import {
  handlersWith,
  messagesOf,
  SESSION_ID,
  startGateway,
  TestClient,
  type TestGateway,
  testAuthenticator,
  USER_ID,
} from './test-gateway.ts';

let running: TestGateway[] = [];
afterEach(() => {
  for (const { gateway } of running) gateway.close();
  running = [];
});
async function start(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const started = await startGateway(options);
  running.push(started);
  return started;
}

/** Tries to open a socket; gives the subprotocol, or the refusal. */
async function knock(url: string, headers: Record<string, string> = {}, offered: string[] = []) {
  const socket = new WebSocket(url, offered, { headers });
  return new Promise<{ status: number; code?: string; subprotocol?: string; headers?: object; message?: string }>(
    (resolve) => {
      socket.on('error', () => {});
      socket.on('open', () => {
        resolve({ status: 101, subprotocol: socket.protocol });
        socket.terminate();
      });
      socket.on('unexpected-response', async (_, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        const { error } = JSON.parse(Buffer.concat(chunks).toString());
        resolve({ status: response.statusCode ?? 0, headers: response.headers, ...error });
      });
    },
  );
}
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('an upgrade', () => {
  it.each([
    ['no credentials', '', {}],
    ['an unknown token', '', bearer('nobody')],
    ['an empty token', '', { authorization: 'Bearer ' }],
    ['another scheme', '', { authorization: 'Basic good' }],
    ['an unknown ticket', '?ticket=nobody', {}],
    ['an empty ticket', '?ticket=', {}],
  ])('is refused with 401 before it happens: %s', async (_, query, headers) => {
    const { url, gateway } = await start();
    expect(await knock(url + query, headers)).toMatchObject({ status: 401, code: 'identity.unauthenticated' });
    expect(gateway.connections.count).toBe(0);
  });

  it('takes a token or a ticket', async () => {
    const { url } = await start();
    expect(await knock(url, { authorization: 'bearer good' })).toMatchObject({ status: 101 });
    expect(await knock(`${url}?ticket=good`)).toMatchObject({ status: 101 });
  });

  it('takes the first subprotocol that it knows, and JSON when none is offered', async () => {
    const { url } = await start();
    const offer = async (...offered: string[]) => (await knock(url, bearer('good'), offered)).subprotocol;
    expect(await offer('soap', subprotocols[1], subprotocols[0])).toBe(subprotocols[1]);
    expect(await offer(subprotocols[0])).toBe(subprotocols[0]);
    expect(await offer()).toBe('');
    const simple = new WebSocket(url, { headers: bearer('good') });
    const [hello, isBinary] = await once(simple, 'message');
    expect([JSON.parse(hello.toString()).type, isBinary]).toEqual(['gateway.hello', false]);
  });

  it('names the subprotocols when it knows none of those offered', async () => {
    const refused = await knock((await start()).url, bearer('good'), ['tsumugi.v0.xml']);
    expect(refused).toMatchObject({ status: 400, code: 'protocol.malformed' });
    for (const name of subprotocols) expect(refused.message).toContain(name);
  });

  it('with a ticket is refused to pages of other origins, unless they are listed', async () => {
    const { url, port } = await start({ allowedOrigins: ['https://app.example'] });
    const from = async (origin: string) => (await knock(`${url}?ticket=good`, { origin })).status;
    expect(await from(`http://127.0.0.1:${port}`)).toBe(101);
    expect(await from('https://app.example')).toBe(101);
    expect(await from('https://evil.example')).toBe(403);
    expect(await from('null')).toBe(403);
  });

  it('may be given up while its credentials are checked', async () => {
    const { promise, resolve } = Promise.withResolvers<Principal>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const fromBearer = () => {
      ask();
      return promise;
    };
    const { port, gateway, log } = await start({ authenticator: { ...testAuthenticator, fromBearer } });
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer x\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await asked;
    socket.destroy();
    await once(socket, 'close');
    // A later request on another connection: the server has seen the end of the first by then.
    await fetch(`http://127.0.0.1:${port}/`);
    resolve({ userId: USER_ID, sessionId: SESSION_ID, roles: [] });
    await promise;
    await fetch(`http://127.0.0.1:${port}/`);
    expect(gateway.connections.count).toBe(0);
    expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });

  it('survives an authenticator that fails', async () => {
    const fromBearer = () => Promise.reject(new Error('database down'));
    const { url, log } = await start({ authenticator: { ...testAuthenticator, fromBearer } });
    const refused = await knock(url, bearer('good'));
    expect(refused).toMatchObject({ status: 500, code: 'internal' });
    expect(JSON.stringify(refused)).not.toContain('database');
    expect(log.lines.map((line) => line.level)).toEqual(['error']);
  });

  it.each([
    ['of all', { maxConnections: 1 }, 503, 'user-2'],
    ['of one user', { maxConnectionsPerUser: 1 }, 429, 'good'],
    ['of one address', { maxConnectionsPerAddress: 1 }, 429, 'user-2'],
  ])('is refused beyond the number %s, and possible again after one has gone', async (_, limits, status, token) => {
    const { url, gateway } = await start({ limits });
    const first = await TestClient.open(url);
    expect((await knock(url, bearer(token))).status).toBe(status);
    const gone = new Promise<void>((resolve) => [...gateway.connections][0]?.onClose(() => resolve()));
    first.socket.close();
    await gone;
    expect((await knock(url, bearer(token))).status).toBe(101);
  });
});

describe('ending connections', () => {
  it('of one session or user pushes the last word, closes with the code, and leaves the others', async () => {
    const { url, gateway } = await start();
    const [mine, also, other] = [
      await TestClient.open(url),
      await TestClient.open(url),
      await TestClient.open(url, 'tsumugi.v1.json', 'user-5'),
    ];
    expect(gateway.closeSession(USER_ID, 'another session', 'signed_out')).toBe(0);
    const last = { type: 'identity.signed_out', body: { sessionId: SESSION_ID } } as const;
    expect(gateway.closeSession(USER_ID, SESSION_ID, 'signed_out', last)).toBe(2);
    expect(await Promise.all([mine.closed, also.closed])).toEqual([4200, 4200]);
    expect(mine.frames.at(-1)).toEqual(last);
    expect(gateway.connections.count).toBe(1);
    const userId = other.frames[0]?.body?.['userId'];
    expect(gateway.closeUser(String(userId), 'closed_by_operator')).toBe(1);
    expect(await other.closed).toBe(4002);
    expect([gateway.connections.count, gateway.connections.userCount]).toEqual([0, 0]);
  });

  it('by id', async () => {
    const { url, gateway } = await start();
    const client = await TestClient.open(url);
    expect(gateway.closeConnection('unknown', 'closed_by_operator')).toBe(false);
    expect(gateway.closeConnection(String(client.frames[0]?.body?.['connectionId']), 'closed_by_operator')).toBe(true);
    expect(await client.closed).toBe(4002);
  });

  it('runs each task once, even when one of them fails, and makes the peer deaf', async () => {
    const { url, gateway, log } = await start();
    const client = await TestClient.open(url);
    const [connection] = gateway.connections;
    const ran: string[] = [];
    connection?.onClose(() => {
      throw new Error('first');
    });
    const gone = new Promise<void>((resolve) =>
      connection?.onClose((peer) => {
        ran.push(peer.connectionId);
        resolve();
      }),
    );
    client.socket.terminate();
    await gone;
    connection?.push({ type: 'gateway.draining', body: { reconnectInMs: 0 } });
    connection?.close('internal');
    expect(ran).toEqual([connection?.connectionId]);
    expect(connection?.closed).toBe(true);
    expect(messagesOf(log, 'error')).toEqual(['a task at the end of a connection failed']);
  });

  it('is counted by code', async () => {
    const codes: number[] = [];
    let opened = 0;
    const metrics = {
      ...noMetrics,
      connectionOpened: () => void opened++,
      connectionClosed: (code: number) => void codes.push(code),
    };
    const { url, gateway } = await start({ metrics });
    const client = await TestClient.open(url);
    gateway.closeUser(USER_ID, 'resume');
    await client.closed;
    expect([opened, codes]).toEqual([1, [4000]]);
  });
});

describe('listening', () => {
  it('refuses a port that is taken, also by another gateway', async () => {
    const { port } = await start();
    await expect(startOn(port, '127.0.0.1')).rejects.toThrow(`PORT: ${port} is taken`);
  });

  it('refuses a host that is not of this machine', async () => {
    await expect(startOn(0, '192.0.2.1')).rejects.toThrow('HOST: 192.0.2.1 is no address');
  });

  it('frees the port when it closes', async () => {
    const first = await start();
    first.gateway.close();
    first.gateway.close();
    await startOn(first.port, '127.0.0.1');
  });

  async function startOn(port: number, host: string): Promise<void> {
    const { Gateway } = await import('./gateway.ts');
    const gateway = new Gateway({
      handlers: handlersWith({}),
      authenticator: testAuthenticator,
      routes: [],
      clock: systemClock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    try {
      await gateway.listen(port, host);
    } finally {
      gateway.close();
    }
  }
});
