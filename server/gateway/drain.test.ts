import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { reconnectAfter } from '../../protocol/close-code.ts';
import { subprotocols } from '../../protocol/codec.ts';
import { type Clock, ManualClock, systemClock } from '../clock.ts';
import type { Connection } from './connection.ts';
import { drainLimits } from './drain.ts';
import { startGateway, TestClient, type TestGateway } from './test-gateway.ts';
import { GrowingText } from './test-stream.ts';

let running: TestGateway | undefined;
afterEach(() => {
  running?.gateway.close();
  running = undefined;
});

const readiness = {
  method: 'GET',
  path: '/readyz',
  says: 'For the test.',
  errors: [],
  handle: () => ({ status: running?.gateway.draining === true ? 503 : 200 }),
} as const;

async function openMany(count: number, clock: Clock = systemClock): Promise<TestGateway & { clients: TestClient[] }> {
  running = await startGateway({ routes: [readiness], clock });
  const { url } = running;
  const open = (_: unknown, i: number) => TestClient.open(url, subprotocols[i % 2], `user-${i}`);
  return { ...running, clients: await Promise.all(Array.from({ length: count }, open)) };
}

const hintOf = ({ frames }: TestClient): unknown =>
  frames.find((frame) => frame.type === 'gateway.draining')?.body?.['reconnectInMs'];
const connectionOf = (gateway: TestGateway['gateway'], client: TestClient): Connection => {
  const found = gateway.connections.find(String(client.frames[0]?.body?.['connectionId']));
  if (found === undefined) throw new Error('no connection');
  return found;
};

describe('a gateway that goes down', () => {
  it('tells every client, each with a hint of its own, and closes all with a code to come back now', async () => {
    const { gateway, clients } = await openMany(150);
    const drained = gateway.drain({ overMs: 100 });
    const codes = await Promise.all(clients.map((client) => client.closed));
    await drained;
    expect(new Set(codes)).toEqual(new Set([4001]));
    expect(reconnectAfter(4001)).toBe('now');
    const hints = clients.map(hintOf);
    expect(hints.every((hint) => typeof hint === 'number' && hint >= 0 && hint <= drainLimits.maxHintMs)).toBe(true);
    expect(new Set(hints).size).toBeGreaterThan(30);
  });

  it('closes in batches, not all at once', async () => {
    const clock = new ManualClock();
    const { gateway } = await openMany(120, clock);
    const drained = gateway.drain({ overMs: 100 });
    const left = [gateway.connections.count];
    while (gateway.connections.count > 0) {
      clock.advance(50);
      await setImmediate();
      left.push(gateway.connections.count);
    }
    await drained;
    expect(left).toEqual([60, 0]);
  });

  it('serves HTTP until the end, and refuses upgrades with the time to wait', async () => {
    const { gateway, httpUrl, clients } = await openMany(1);
    expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200);
    gateway.refuseUpgrades();
    expect((await fetch(`${httpUrl}/readyz`)).status).toBe(503);
    const headers = { authorization: 'Bearer good', upgrade: 'websocket', connection: 'upgrade' };
    const refused = await refusal(httpUrl, headers);
    expect(refused).toMatchObject({ status: 503, code: 'draining', retryAfter: '1' });
    expect(connectionOf(gateway, clients[0] as TestClient).closed).toBe(false);
    await gateway.drain();
    expect((await fetch(`${httpUrl}/readyz`)).status).toBe(503);
    gateway.close();
    await expect(fetch(`${httpUrl}/readyz`)).rejects.toThrow();
  });

  it('keeps busy sockets until they are done, and lets the idle ones go first', async () => {
    const { gateway, clients } = await openMany(3);
    const [reader, idle, other] = clients as [TestClient, TestClient, TestClient];
    const stream = new GrowingText();
    stream.grow('the begin');
    const connection = connectionOf(gateway, reader);
    connection.addStream(stream, { epoch: 1, seq: -1, offset: 0 });
    expect(connection.follows(stream.key)).toBe(true);
    const drained = gateway.drain({ busy: () => (one) => one.follows(stream.key) });
    expect(await Promise.all([idle.closed, other.closed])).toEqual([4001, 4001]);
    expect(connection.closed).toBe(false);
    stream.grow('ning, and the end');
    stream.ended = true;
    connection.wakeStream(stream.key);
    expect(await reader.closed).toBe(4001);
    await drained;
    const text = reader.frames.flatMap((frame) => (frame.type === 'chat.delta' ? [frame.body?.['text']] : [])).join('');
    expect(text).toBe('the beginning, and the end');
  });

  it('closes busy ones as well when the time is over, and does not wait for the next batch with it', async () => {
    const { gateway, clients } = await openMany(1);
    const { promise: until, resolve } = Promise.withResolvers<void>();
    const drained = gateway.drain({ busy: () => () => true, until });
    await clients[0]?.frame((frame) => frame.type === 'gateway.draining');
    expect(gateway.connections.count).toBe(1);
    resolve();
    expect(await clients[0]?.closed).toBe(4001);
    await drained;
  });
});

async function refusal(httpUrl: string, headers: Record<string, string>) {
  const { request } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; code: unknown; retryAfter: unknown }>();
  const keys = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' };
  request(`${httpUrl}/ws`, { headers: { ...headers, ...keys } }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('end', () => {
      const { error } = JSON.parse(text) as { error: { code: string } };
      resolve({ status: response.statusCode ?? 0, code: error.code, retryAfter: response.headers['retry-after'] });
    });
  })
    .on('error', reject)
    .end();
  return promise;
}
