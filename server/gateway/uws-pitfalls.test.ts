/** What the native library really does where one would not expect it, and that our wrapper stands it. */

import type {
  HttpRequest,
  WebSocket as NativeSocket,
  TemplatedApp,
  us_listen_socket,
  WebSocketBehavior,
} from 'uWebSockets.js';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { checkLimits, defaultLimits } from './limits.ts';
import { loadUws } from './native.ts';
import { SafeSocket, type SocketData } from './socket.ts';

const uws = loadUws();
let app: TemplatedApp;
let clients: WebSocket[];

beforeEach(() => {
  app = uws.App();
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.terminate();
  app.close();
});

async function listen(): Promise<number> {
  const listenSocket = await new Promise<us_listen_socket | false>((resolve) => app.listen('127.0.0.1', 0, resolve));
  if (listenSocket === false) throw new Error('not listening');
  return uws.us_socket_local_port(listenSocket as never);
}

/** A connected pair: the client, and the server's native socket. */
async function openPair(behaviour: WebSocketBehavior<SocketData> = {}) {
  const { promise: opened, resolve } = Promise.withResolvers<NativeSocket<SocketData>>();
  let drains = 0;
  app.ws<SocketData>('/ws', { compression: uws.DISABLED, drain: () => void drains++, ...behaviour, open: resolve });
  const client = new WebSocket(`ws://127.0.0.1:${await listen()}/ws`);
  clients.push(client);
  const native = await opened;
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open');
  return { client, native, drains: () => drains };
}

/** Runs a program that has `uws` and `app`, in a process of its own because it is expected to die. */
function runAlone(program: string): { output: string; signal: string | null } {
  const require = `const uws = require(${JSON.stringify(createRequire(import.meta.url).resolve('uWebSockets.js'))});`;
  const run = spawnSync(process.execPath, ['-e', `${require} const app = uws.App(); ${program}`], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  return { output: run.stdout + run.stderr, signal: run.signal };
}
const askOnce = `app.listen('127.0.0.1', 0, (s) => fetch('http://127.0.0.1:' + uws.us_socket_local_port(s)).then(async (r) => { console.log(await r.text()); process.exit(); }));`;

describe('a closed socket', () => {
  it('throws on every call', async () => {
    const { native } = await openPair();
    native.close();
    expect(() => native.send('x')).toThrow(/closed/i);
    expect(() => native.getBufferedAmount()).toThrow();
    expect(() => native.cork(() => {})).toThrow();
    expect(() => native.end(1000)).toThrow();
  });

  it('is harmless behind SafeSocket, whoever closed it', async () => {
    const { native } = await openPair();
    const safe = new SafeSocket();
    safe.open(native);
    expect(safe.send(Uint8Array.of(1), true)).toBe(true);
    safe.end(4001, 'bye');
    expect(safe.closed).toBe(true);
    expect(safe.send(Uint8Array.of(1), true)).toBe(false);
    expect(safe.buffered()).toBe(0);
    safe.cork(() => expect.unreachable());
    safe.end(4001, 'again');
  });
});

it('empties the message after the callback, so that it must be read or copied within', async () => {
  const { promise, resolve } = Promise.withResolvers<ArrayBuffer>();
  app.ws('/ws', { message: (_, data) => resolve(data) });
  const client = new WebSocket(`ws://127.0.0.1:${await listen()}/ws`);
  clients.push(client);
  client.on('open', () => client.send('hello'));
  const data = await promise;
  await setImmediate();
  expect(data.byteLength).toBe(0);
});

it('forgets the request after the first await', async () => {
  const { promise, resolve } = Promise.withResolvers<HttpRequest>();
  app.get('/*', (res, req) => {
    resolve(req);
    res.end();
  });
  await fetch(`http://127.0.0.1:${await listen()}`);
  const req = await promise;
  expect(() => req.getHeader('host')).toThrow(/after|accessing/i);
});

describe('mistakes that end the process', () => {
  it('are: returning without onAborted', () => {
    const { output, signal } = runAlone(`app.get('/*', () => {}); ${askOnce}`);
    expect(signal).toBe('SIGABRT');
    expect(output).toContain('abort handler');
  });

  it.each([7, 961])('are: an idleTimeout of %i seconds, which our limits refuse', (idleTimeoutS) => {
    expect(runAlone(`app.ws('/ws', { idleTimeout: ${idleTimeoutS} }); console.log('alive');`).signal).toBe('SIGABRT');
    expect(() => checkLimits({ ...defaultLimits, idleTimeoutS })).toThrow('idleTimeoutS');
  });

  it.each([8, 960])('are not: an idleTimeout of %i seconds', (idleTimeoutS) => {
    expect(runAlone(`app.ws('/ws', { idleTimeout: ${idleTimeoutS} }); console.log('alive');`).output).toBe('alive\n');
    expect(checkLimits({ ...defaultLimits, idleTimeoutS }).idleTimeoutS).toBe(idleTimeoutS);
  });
});

describe('work outside of a callback', () => {
  it('is warned about when it writes without cork', () => {
    const late = (write: string): string =>
      `app.get('/*', (res) => { res.onAborted(() => {}); setImmediate(() => ${write}); });`;
    expect(runAlone(`${late(`res.end('x')`)} ${askOnce}`).output).toContain('corked callback');
    expect(runAlone(`${late(`res.cork(() => res.end('x'))`)} ${askOnce}`).output).toBe('x\n');
  });

  it('leaves in one piece when corked', async () => {
    const { promise: opened, resolve } = Promise.withResolvers<NativeSocket<SocketData>>();
    app.ws<SocketData>('/ws', { open: resolve });
    const socket = connect(await listen(), '127.0.0.1');
    socket.write(
      'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(socket, 'data');
    const safe = new SafeSocket();
    safe.open(await opened);
    safe.cork(() => {
      for (let i = 0; i < 50; i++) safe.send(Uint8Array.of(i, i, i), true);
    });
    const [piece] = (await once(socket, 'data')) as [Buffer];
    expect(piece.byteLength).toBe(50 * (2 + 3));
    socket.destroy();
  });
});

describe('back pressure', () => {
  const megabyte = new Uint8Array(1024 * 1024);

  it('answers 0 to an accepted message: sent again it would arrive twice', async () => {
    const { client, native, drains } = await openPair({ maxBackpressure: 64 * 1024 * 1024 });
    client.pause();
    let sent = 0;
    do {
      megabyte[0] = sent;
    } while (native.send(megabyte, true) === 1 && ++sent < 100);
    const last = sent;
    expect(native.getBufferedAmount()).toBeGreaterThan(0);
    const got: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    client.on('message', (data: Buffer) => {
      got.push(data[0] ?? -1);
      if (data[0] === last) resolve();
    });
    client.resume();
    await promise;
    expect(got).toEqual(Array.from({ length: last + 1 }, (_, i) => i));
    expect(drains()).toBeGreaterThan(0);
    expect(native.getBufferedAmount()).toBe(0);
  });

  it('lets one message overshoot its limit, then drops messages and close frames without a word', async () => {
    const { client, native } = await openPair({ maxBackpressure: 64 * 1024 });
    client.pause();
    while (native.send(megabyte, true) === 1);
    expect(native.getBufferedAmount()).toBeGreaterThan(64 * 1024);
    expect(native.send('lost', false)).toBe(2);
    native.end(4000, 'resume');
    const texts: unknown[] = [];
    client.on('message', (data, isBinary) => void (isBinary || texts.push(data)));
    client.resume();
    const [code] = (await once(client, 'close')) as [number];
    expect(code).not.toBe(4000);
    expect(texts).toEqual([]);
  });

  it.each([
    ['stays unsent when it was sent within the drain callback', false],
    ['arrives when it was sent right after the drain callback', true],
  ])('what does not fit %s', async (_, later) => {
    const more = new Uint8Array(16 * 1024 * 1024);
    let sentMore = false;
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const sendMore = (ws: NativeSocket<SocketData>): void => {
      if (sentMore || ws.getBufferedAmount() > 0) return;
      sentMore = true;
      ws.send(more, true);
      resolve();
    };
    const { client, native } = await openPair({
      maxBackpressure: 64 * 1024 * 1024,
      drain: (ws) => (later ? void setImmediate().then(() => sendMore(ws)) : sendMore(ws)),
    });
    client.pause();
    while (native.send(megabyte, true) === 1);
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<true>();
    client.on('message', (data: Buffer) => void (data.byteLength === more.byteLength && arrive(true)));
    client.resume();
    await asked;
    if (later) {
      expect(await arrived).toBe(true);
    } else {
      // Both ends live in this loop: when many turns have brought nothing, nothing comes.
      let before = -1;
      for (let quietTurns = 0; quietTurns < 500; quietTurns++) {
        if (native.getBufferedAmount() !== before) quietTurns = 0;
        before = native.getBufferedAmount();
        await setImmediate();
      }
      expect(before).toBeGreaterThan(0);
    }
  });
});
