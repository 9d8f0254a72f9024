/** Commands over a real socket: one answer each, whatever is sent and whatever the handler does. */
import { afterEach, describe, expect, it } from 'vitest';
import { subprotocols } from '../../protocol/codec.ts';
import { ManualClock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { GatewayOptions } from './gateway.ts';
import { handlersWith, SESSION_ID, startGateway, TestClient, type TestGateway, USER_ID } from './test-gateway.ts';

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
const UUID = '018f3d3e-7c1a-7000-8000-0000000000ff';

describe.each(subprotocols)('%s', (subprotocol) => {
  it('greets first, and hands the checked body and the caller to the handler', async () => {
    const seen: unknown[] = [];
    const { url } = await start({
      handlers: handlersWith({
        'chat.stop': (caller, body) => {
          seen.push(body, caller.userId, caller.sessionId, caller.peer.connectionId);
          return { stopped: true };
        },
      }),
    });
    const client = await TestClient.open(url, subprotocol);
    const reply = await client.ask('chat.stop', { generationId: UUID, unknown: 1 }, 5);
    expect(reply).toEqual({ type: 'reply', id: 5, body: { stopped: true } });
    const hello = client.frames[0];
    expect(hello).toMatchObject({
      type: 'gateway.hello',
      body: { userId: USER_ID, sessionId: SESSION_ID, idleTimeoutS: 120 },
    });
    expect(seen).toEqual([{ generationId: UUID, unknown: 1 }, USER_ID, SESSION_ID, hello?.body?.['connectionId']]);
    expect(client.socket.protocol).toBe(subprotocol);
  });

  it.each([
    ['an unknown command', { type: 'chat.nothing', id: 1, body: {} }, 'protocol.unknown_type'],
    ['a name that every object has', { type: 'toString', id: 1, body: {} }, 'protocol.unknown_type'],
    ['a type that is no string', { type: 7, id: 1, body: {} }, 'protocol.invalid_body'],
    ['a missing body', { type: 'chat.stop', id: 1 }, 'protocol.invalid_body'],
    ['a list as body', { type: 'gateway.ping', id: 1, body: [] }, 'protocol.invalid_body'],
  ])('refuses %s under its id', async (_, frame, code) => {
    const client = await TestClient.open((await start()).url, subprotocol);
    client.send(frame);
    expect(await client.frame((f) => f.id === 1)).toMatchObject({ type: 'error', code });
  });

  it.each([undefined, null, '', 'x'.repeat(65), -1, 1.5, {}, []])(
    'answers a frame with the id %o without one',
    async (id) => {
      const client = await TestClient.open((await start()).url, subprotocol);
      client.send({ type: 'gateway.ping', id, body: {} });
      expect(await client.frame((f) => f.type === 'error')).toMatchObject({ id: null, code: 'protocol.malformed' });
    },
  );

  it('closes with `unsupported` when the other kind of message comes', async () => {
    const client = await TestClient.open((await start()).url, subprotocol);
    client.socket.send(subprotocol === 'tsumugi.v1.json' ? Buffer.from('{}') : '{}');
    expect(await client.closed).toBe(4203);
  });
});

it('names the field of an invalid body and what was expected there', async () => {
  const client = await TestClient.open((await start()).url);
  const field = async (type: string, body: unknown) => (await client.ask(type, body))['details'];
  expect(await field('chat.stop', { generationId: 'x' })).toEqual({ field: 'generationId', expected: 'format "uuid"' });
  expect(await field('chat.stop', {})).toEqual({ field: 'generationId', expected: 'a value (it is missing)' });
  expect(await field('chat.open', { kind: 1 })).toEqual({
    field: 'kind',
    expected: '"conversation" or "diary" or "character"',
  });
  const after = { generationId: UUID, seq: 'a' };
  expect(await field('chat.attach', { conversationId: UUID, after })).toEqual({
    field: 'after.seq',
    expected: 'integer',
  });
  expect(await field('companion.activate_prompt', { avatarId: UUID, version: 2 ** 31 })).toMatchObject({
    field: 'version',
  });
  expect(
    await field('companion.add_prompt', { avatarId: UUID, systemPrompt: 'x', params: { stop: ['a\u0000'] } }),
  ).toEqual({
    field: 'params.stop.0',
    expected: 'text without U+0000 and without halves of surrogate pairs',
  });
  expect(await field('chat.history', { conversationId: UUID, before: 3 })).toEqual({
    field: 'before',
    expected: 'string or null',
  });
});

describe('what a handler throws', () => {
  const failing = (error: unknown) =>
    handlersWith({
      'chat.stop': () => Promise.reject(error),
      'identity.me': () => {
        throw error;
      },
    });

  it.each(['chat.stop', 'identity.me'])('becomes its code, when it is ours (%s)', async (type) => {
    const error = new AppError('llm.rate_limited', { retryAfterMs: 1500.2, model: 'm' });
    const client = await TestClient.open((await start({ handlers: failing(error) })).url);
    expect(await client.ask(type, { generationId: UUID }, 'a')).toEqual({
      type: 'error',
      id: 'a',
      code: 'llm.rate_limited',
      message: 'The model provider limits our requests.',
      retryAfterMs: 1501,
      details: { model: 'm' },
    });
  });

  it.each([
    ['a full queue of the workers', Object.assign(new Error('full'), { code: 'busy' })],
    ['a task given up', new DOMException('gone', 'AbortError')],
    ['a database that went away', Object.assign(new Error('lost'), { code: 'CONNECTION_LOST' })],
    ['a database that is being started', Object.assign(new Error('starting'), { code: '57P03' })],
  ])('becomes `busy` for %s', async (_, error) => {
    const client = await TestClient.open((await start({ handlers: failing(error) })).url);
    expect(await client.ask('chat.stop', { generationId: UUID })).toMatchObject({ code: 'busy' });
  });

  it.each([new Error('password=hunter2'), undefined, 'text', null])(
    'becomes `internal` without a word of it: %s',
    async (error) => {
      const { url, log } = await start({ handlers: failing(error) });
      const client = await TestClient.open(url);
      for (const type of ['chat.stop', 'identity.me']) {
        const answer = await client.ask(type, { generationId: UUID });
        expect(answer).toMatchObject({
          code: 'internal',
          message: 'An unexpected failure; `correlationId` finds it in the log.',
        });
        expect(JSON.stringify(answer)).not.toContain('hunter2');
        const { correlationId } = answer['details'] as { correlationId: string };
        const line = log.lines.find(({ facts }) => 'correlationId' in facts && facts.correlationId === correlationId);
        expect(line).toMatchObject({ level: 'error', facts: { command: type, err: error } });
      }
    },
  );

  it('is also answered when it is the reply that cannot be encoded', async () => {
    const handlers = handlersWith({ 'chat.stop': () => ({ stopped: 1n }) as never });
    const client = await TestClient.open((await start({ handlers })).url);
    expect(await client.ask('chat.stop', { generationId: UUID })).toMatchObject({ code: 'internal' });
    expect(await client.ask('gateway.ping', {}, 'next')).toMatchObject({ type: 'reply' });
  });
});

describe('ids', () => {
  it('of unanswered commands cannot be used again, and are free after the answer', async () => {
    const { promise, resolve } = Promise.withResolvers<{ stopped: boolean }>();
    const { url } = await start({ handlers: handlersWith({ 'chat.stop': () => promise }) });
    const client = await TestClient.open(url);
    client.send({ type: 'chat.stop', id: 'same', body: { generationId: UUID } });
    expect(await client.ask('gateway.ping', {}, 'same')).toMatchObject({ type: 'error', details: { field: 'id' } });
    client.frames.length = 0;
    resolve({ stopped: true });
    expect(await client.frame((f) => f.id === 'same')).toMatchObject({ type: 'reply' });
    client.frames.length = 0;
    expect(await client.ask('gateway.ping', {}, 'same')).toMatchObject({ type: 'reply' });
  });

  it('are limited in number, and each still gets one answer', async () => {
    const { promise, resolve } = Promise.withResolvers<{ stopped: boolean }>();
    const { url } = await start({ limits: { maxInFlight: 3 }, handlers: handlersWith({ 'chat.stop': () => promise }) });
    const client = await TestClient.open(url);
    for (let id = 0; id < 5; id++) client.send({ type: 'chat.stop', id, body: { generationId: UUID } });
    expect(await client.frame((f) => f.id === 4)).toMatchObject({ code: 'busy' });
    resolve({ stopped: true });
    await client.frame((f) => f.id === 2);
    expect(client.frames.slice(1).map((f) => [f.id, f.type])).toEqual([
      [3, 'error'],
      [4, 'error'],
      [0, 'reply'],
      [1, 'reply'],
      [2, 'reply'],
    ]);
  });

  it('need no answer when the client has gone meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<{ stopped: boolean }>();
    const { url, log, gateway } = await start({ handlers: handlersWith({ 'chat.stop': () => promise }) });
    const client = await TestClient.open(url);
    client.send({ type: 'chat.stop', id: 1, body: { generationId: UUID } });
    await client.ask('gateway.ping', {}, 2);
    const gone = new Promise<void>((done) => [...gateway.connections][0]?.onClose(() => done()));
    client.socket.terminate();
    await gone;
    resolve({ stopped: true });
    await promise;
    expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });
});

describe('limits', () => {
  it('of one connection: refused with the time to wait, and granted after it', async () => {
    const clock = new ManualClock();
    const { url } = await start({ clock, limits: { framesPerConnection: { perSecond: 10, burst: 3 } } });
    const client = await TestClient.open(url);
    for (const id of [1, 2, 3]) expect(await client.ask('gateway.ping', {}, id)).toMatchObject({ type: 'reply' });
    const refused = await client.ask('gateway.ping', {}, 4);
    expect(refused).toMatchObject({ code: 'protocol.rate_limited', retryAfterMs: 200 });
    clock.advance(199);
    expect(await client.ask('gateway.ping', {}, 5)).toMatchObject({ code: 'protocol.rate_limited' });
    clock.advance(201);
    expect(await client.ask('gateway.ping', {}, 6)).toMatchObject({ type: 'reply' });
  });

  it('of one user hold for all connections together', async () => {
    const { url } = await start({ clock: new ManualClock(), limits: { framesPerUser: { perSecond: 1, burst: 2 } } });
    const [one, two, other] = [
      await TestClient.open(url),
      await TestClient.open(url),
      await TestClient.open(url, 'tsumugi.v1.json', 'user-7'),
    ];
    await one.ask('gateway.ping', {}, 1);
    await two.ask('gateway.ping', {}, 2);
    expect(await one.ask('gateway.ping', {}, 3)).toMatchObject({ code: 'protocol.rate_limited' });
    expect(await other.ask('gateway.ping', {}, 4)).toMatchObject({ type: 'reply' });
  });

  it('close a client that does not stop', async () => {
    const limits = { framesPerConnection: { perSecond: 1, burst: 5 } };
    const client = await TestClient.open((await start({ clock: new ManualClock(), limits })).url);
    for (let id = 0; id < 20; id++) client.send({ type: 'gateway.ping', id, body: {} });
    expect(await client.closed).toBe(4101);
    // Refused ones got their answer too, up to the end.
    expect(client.frames.filter((f) => f.code === 'protocol.rate_limited').length).toBe(4);
  });

  it('hold for pings of the WebSocket, too: each is answered, and the answers may lie unread', async () => {
    const limits = { framesPerConnection: { perSecond: 1, burst: 5 } };
    const client = await TestClient.open((await start({ clock: new ManualClock(), limits })).url);
    let pongs = 0;
    client.socket.on('pong', () => pongs++);
    for (let i = 0; i < 20; i++) client.socket.ping('x');
    expect(await client.closed).toBe(4101);
    expect(pongs).toBe(10);
  });

  it('charge large frames more', async () => {
    const limits = { framesPerConnection: { perSecond: 1, burst: 10 } };
    const client = await TestClient.open((await start({ clock: new ManualClock(), limits })).url);
    await client.ask('gateway.ping', { filler: 'x'.repeat(80 * 1024) }, 1);
    expect(await client.ask('gateway.ping', {}, 2)).toMatchObject({ code: 'protocol.rate_limited' });
  });

  it('close too large frames with a code, and far too large ones at once', async () => {
    const { url } = await start({ limits: { maxFrameBytes: 1000 } });
    const client = await TestClient.open(url);
    expect(await client.ask('gateway.ping', { filler: 'x'.repeat(900) })).toMatchObject({ type: 'reply' });
    client.send({ type: 'gateway.ping', id: 1, body: { filler: 'x'.repeat(1000) } });
    expect(await client.closed).toBe(4202);
    const other = await TestClient.open(url);
    other.send({ type: 'gateway.ping', id: 1, body: { filler: 'x'.repeat(100_000) } });
    expect([1006, 1009]).toContain(await other.closed);
  });

  it('close a client that sends nothing but rubbish', async () => {
    const client = await TestClient.open((await start({ limits: { maxMalformed: 3 } })).url);
    for (const text of ['{', '[]', '{"__proto__":{}}', '{}']) client.socket.send(text);
    expect(await client.closed).toBe(4201);
    expect(client.frames.slice(1).map((f) => [f.id, f.code])).toEqual(Array(3).fill([null, 'protocol.malformed']));
  });
});
