/** Sockets stay open whatever the server does with native memory while it opens them, and one that is lost is seen. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../clock.ts';
import type { Authenticator } from '../http.ts';
import type { GatewayOptions } from './gateway.ts';
import { noMetrics } from './metrics.ts';
import { SafeSocket } from './socket.ts';
import { messagesOf, startGateway, TestClient, type TestGateway, testAuthenticator } from './test-gateway.ts';

let running: TestGateway[] = [];
let kept: Buffer[][] = [];
const { open } = SafeSocket.prototype;
afterEach(() => {
  SafeSocket.prototype.open = open;
  for (const { gateway } of running) gateway.close();
  running = [];
  kept = [];
});
async function start(options: Partial<GatewayOptions>): Promise<TestGateway> {
  const started = await startGateway(options);
  running.push(started);
  return started;
}

/** As every real one: the answer comes in a later turn of the event loop than the request. */
const authenticator: Authenticator = {
  fromBearer: (token) => setImmediate().then(() => testAuthenticator.fromBearer(token)),
  fromTicket: (ticket) => setImmediate().then(() => testAuthenticator.fromTicket(ticket)),
};

/** Keeps native memory of every small size, filled so that any byte of it looks to uWS like `Connection: close`. */
function takeNativeMemory(): void {
  const sizes = Array.from({ length: 40 }, (_, place) => 8 * (place + 1));
  kept.push(sizes.flatMap((size) => [1, 2, 3, 4].map(() => Buffer.allocUnsafeSlow(size).fill(0x10))));
}

const CLIENTS = 50;
const openMany = (url: string) =>
  Promise.allSettled(
    Array.from({ length: CLIENTS }, (_, place) => TestClient.open(url, 'tsumugi.v1.json', `user-${place}`)),
  );

describe('a socket that is being opened', () => {
  it('is not closed by what the opening writes into native memory', async () => {
    const { url, gateway } = await start({
      authenticator,
      users: { joined: takeNativeMemory, left() {}, changed: takeNativeMemory },
    });
    const clients = await openMany(url);
    expect(clients.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(kept).toHaveLength(2 * CLIENTS);
    // A command on each: a close that is on its way would come before its answer.
    const answers = clients.map((one) => (one.status === 'fulfilled' ? one.value.ask('gateway.ping', {}) : undefined));
    expect((await Promise.all(answers)).map((answer) => answer?.type)).toEqual(clients.map(() => 'reply'));
    expect(gateway.connections.count).toBe(CLIENTS);
  });

  it('is counted and logged when the library gives it up', async () => {
    // What nothing of ours does: memory is taken within the open event, as the library itself or another thread might.
    SafeSocket.prototype.open = function (this: SafeSocket, native) {
      open.call(this, native);
      takeNativeMemory();
    };
    const endings: string[] = [];
    let opened = 0;
    const joined: string[] = [];
    const { url, gateway, log } = await start({
      authenticator,
      metrics: {
        ...noMetrics,
        connectionOpened: () => void opened++,
        connectionClosed: (code, ending) => void endings.push(`${code} ${ending}`),
      },
      users: { joined: (userId) => void joined.push(userId), left() {}, changed() {} },
    });
    const lost = (await openMany(url)).filter(({ status }) => status === 'rejected');
    expect(opened).toBe(CLIENTS);
    expect(endings).toEqual(lost.map(() => '1006 opening'));
    expect(messagesOf(log, 'warn')).toEqual(lost.map(() => 'a socket was lost while it was being opened'));
    expect(gateway.connections.count).toBe(CLIENTS - lost.length);
    expect(joined).toHaveLength(CLIENTS - lost.length);
  });

  it('is closed as `internal` when its welcome fails, and the server goes on', async () => {
    let fails = true;
    const { url, log, gateway } = await start({
      authenticator,
      users: {
        joined() {
          if (fails) throw new Error('nobody may join');
        },
        left() {},
        changed() {},
      },
    });
    const client = new TestClient(url);
    expect(await client.closed).toBe(4102);
    expect(messagesOf(log, 'error')).toEqual(['a socket could not be welcomed']);
    expect(gateway.connections.count).toBe(0);
    fails = false;
    await TestClient.open(url);
  });
});

describe('the header connection of an upgrade', () => {
  const ask = async (port: number, connection: string) => {
    const socket = connect(port, '127.0.0.1');
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    socket.on('error', reject).once('data', (chunk) => resolve(chunk.toString()));
    const head = ['GET /ws HTTP/1.1', 'Host: x', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    socket.write(
      [...head, key, 'Authorization: Bearer good', ...(connection ? [connection] : []), '', ''].join('\r\n'),
    );
    const answer = await promise;
    socket.destroy();
    return answer;
  };

  it.each(['Connection: Upgrade', 'Connection: keep-alive, Upgrade', 'connection: upgrade', ''])(
    'is taken: `%s`',
    async (connection) => {
      const { port } = await start({ authenticator });
      expect(await ask(port, connection)).toMatch(/^HTTP\/1\.1 101 /);
    },
  );

  // uWS itself would answer 101 to the first and then close the socket without a close code.
  it.each(['Connection: close', 'Connection: keep-alive'])('is refused, as of a proxy: `%s`', async (connection) => {
    const { port } = await start({ authenticator });
    const answer = await ask(port, connection);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('must name Upgrade');
  });

  it('reaches clients that send it as usual', async () => {
    const { url } = await start({ authenticator });
    const socket = new WebSocket(url, { headers: { authorization: 'Bearer good' } });
    await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
    socket.terminate();
  });
});

describe('a client whose credentials are being checked', () => {
  /** Answers when it is told to; `asked` is when the first question has come. */
  function slowly() {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
    const fromBearer: Authenticator['fromBearer'] = async (token) => {
      ask();
      await mayAnswer;
      return testAuthenticator.fromBearer(token);
    };
    return { asked, answer, authenticator: { ...testAuthenticator, fromBearer } };
  }

  it('is counted as abandoned when it leaves', async () => {
    const { asked, answer, authenticator } = slowly();
    let abandoned = 0;
    const { url, gateway } = await start({
      authenticator,
      metrics: { ...noMetrics, upgradeAbandoned: () => void abandoned++ },
    });
    const client = new TestClient(url);
    await asked;
    client.socket.terminate();
    await expect.poll(() => abandoned).toBe(1);
    answer();
    await setImmediate();
    expect(gateway.connections.count).toBe(0);
  });

  it('is told to come later when that takes too long, and a late answer changes nothing', async () => {
    const { asked, answer, authenticator } = slowly();
    const clock = new ManualClock();
    const refused: number[] = [];
    const { url, gateway } = await start({
      authenticator,
      clock,
      metrics: { ...noMetrics, upgradeRefused: (status) => void refused.push(status) },
    });
    const socket = new WebSocket(url, { headers: { authorization: 'Bearer good' } });
    socket.on('error', () => {});
    const told = once(socket, 'unexpected-response');
    await asked;
    clock.advance(gateway.limits.requestTimeoutMs);
    const [, response] = (await told) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(503);
    expect(await json(response)).toMatchObject({ error: { code: 'busy' } });
    answer();
    await setImmediate();
    expect([gateway.connections.count, refused]).toEqual([0, [503]]);
    socket.terminate();
  });
});
