/** The ladder for slow readers, step by step, over real sockets whose client stops reading. */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Subprotocol, subprotocols } from '../../protocol/codec.ts';
import type { Push } from '../../protocol/down.ts';
import { ManualClock } from '../clock.ts';
import type { Connection } from './connection.ts';
import type { GatewayOptions } from './gateway.ts';
import { mergedUnits } from './limits.ts';
import { handlersWith, messagesOf, startGateway, TestClient, type TestGateway } from './test-gateway.ts';
import { GrowingText, joinPieces } from './test-stream.ts';

let running: TestGateway | undefined;
afterEach(() => {
  running?.gateway.close();
  running = undefined;
});

const start = () => ({ epoch: 1, seq: -1, offset: 0 });
const PIECE = '紡'.repeat(700);
/** Large, so that the kernel's buffers are full soon. */
const FILLER = '紡'.repeat(20_000);
const note = (revision: number): Push => ({ type: 'chat.selected', body: { conversationId: 'c', revision } });

/** A client, and its connection as the rules see it. */
async function openPair(options: Partial<GatewayOptions> = {}, subprotocol: Subprotocol = 'tsumugi.v1.msgpack') {
  running = await startGateway(options);
  const client = await TestClient.open(running.url, subprotocol);
  const [connection] = running.gateway.connections;
  if (connection === undefined) throw new Error('no connection');
  return { ...running, client, connection };
}

/** Lets the client stop reading, and fills what the kernel takes with pieces, until the gateway waits. */
async function fillUp(client: TestClient, connection: Connection, stream: GrowingText, blocked: () => number) {
  client.socket.pause();
  while (blocked() === 0) {
    stream.grow(FILLER);
    connection.wakeStream(stream.key);
    await setImmediate();
  }
}

describe.each(subprotocols)('a reader that keeps up (%s)', (subprotocol) => {
  it('gets each piece as it comes, then the end', async () => {
    const { client, connection } = await openPair({}, subprotocol);
    const stream = new GrowingText();
    connection.addStream(stream, start());
    for (const piece of ['つ', 'む', 'ぎ']) {
      stream.grow(piece);
      connection.wakeStream(stream.key);
      await client.frame((f) => f.body?.['text'] === piece);
    }
    stream.ended = true;
    connection.wakeStream(stream.key);
    connection.push(stream.done());
    await client.frame((f) => f.type === 'chat.done');
    expect(joinPieces(client.frames)).toBe('つむぎ');
    expect(client.frames.map((f) => f.type)).toEqual([
      'gateway.hello',
      'chat.delta',
      'chat.delta',
      'chat.delta',
      'chat.done',
    ]);
  });
});

describe('order', () => {
  it('holds between pushes and pieces of one turn, in whatever order they come', async () => {
    const { client, connection } = await openPair();
    const [one, two] = [new GrowingText('one'), new GrowingText('two')];
    connection.addStream(one, start());
    connection.push(note(1));
    one.grow('a');
    connection.addStream(two, start());
    two.grow('b');
    connection.push(note(2));
    await client.frame((f) => f.body?.['revision'] === 2);
    const said = client.frames.slice(1).map((f) => f.body?.['text'] ?? f.body?.['revision']);
    expect(said).toEqual(['a', 1, 'b', 2]);
  });

  it('puts the answer of a command before the pieces that its handler caused', async () => {
    const stream = new GrowingText();
    stream.grow('text so far');
    const handlers = handlersWith({
      'chat.stop': async (caller) => {
        await null;
        caller.peer.push(note(1));
        caller.peer.addStream(stream, start());
        return { stopped: true };
      },
    });
    const { client } = await openPair({ handlers });
    client.send({ type: 'chat.stop', id: 1, body: { generationId: '018f3d3e-7c1a-7000-8000-0000000000aa' } });
    await client.frame((f) => f.type === 'chat.delta');
    expect(client.frames.map((f) => f.type)).toEqual(['gateway.hello', 'reply', 'chat.selected', 'chat.delta']);
  });
});

describe('a reader that stops', () => {
  it('holds a bounded buffer, gets merged pieces when it reads again, and the end after them', async () => {
    const { client, connection, gateway } = await openPair({ limits: { snapshotBehindUnits: 10_000_000 } });
    const stream = new GrowingText();
    connection.addStream(stream, start());
    await fillUp(client, connection, stream, () => gateway.blockedCount);
    const { pulls: pullsBefore, readTo } = stream;
    for (let i = 0; i < 2000; i++) {
      stream.grow(PIECE);
      connection.wakeStream(stream.key);
    }
    stream.ended = true;
    connection.wakeStream(stream.key);
    connection.push(stream.done());
    await setImmediate();
    expect(stream.pulls).toBe(pullsBefore);
    // The soft limit, and the one piece that went over it.
    expect(connection.waitingBytes).toBeLessThan(gateway.limits.softBufferBytes);

    client.socket.resume();
    const done = await client.frame((f) => f.type === 'chat.done');
    expect(client.frames.at(-1)).toBe(done);
    expect(joinPieces(client.frames) === stream.text).toBe(true);
    // All that it had not been given when it stopped, of which the kernel decides how much that is.
    expect(stream.pulls - pullsBefore).toBe(Math.ceil((stream.length - readTo) / mergedUnits(gateway.limits)));
    expect(gateway.blockedCount).toBe(0);
  });

  it('gets one snapshot instead when it is too far behind', async () => {
    const { client, connection, gateway } = await openPair({ limits: { snapshotBehindUnits: FILLER.length * 2 } });
    const stream = new GrowingText();
    connection.addStream(stream, start());
    await fillUp(client, connection, stream, () => gateway.blockedCount);
    for (let i = 0; i < 100; i++) stream.grow(PIECE);
    connection.wakeStream(stream.key);
    client.socket.resume();
    await client.frame((f) => f.type === 'chat.snapshot');
    expect(joinPieces(client.frames) === stream.text).toBe(true);
    expect(stream.snapshots).toBe(1);
    stream.grow('and on');
    connection.wakeStream(stream.key);
    expect((await client.frame((f) => f.body?.['text'] === 'and on')).type).toBe('chat.delta');
  });

  it('that has just come goes on from where it was, however far that lies behind', async () => {
    const { client, connection } = await openPair({ limits: { snapshotBehindUnits: 100 } });
    const stream = new GrowingText();
    for (let i = 0; i < 10; i++) stream.grow(PIECE);
    stream.ended = true;
    connection.addStream(stream, { epoch: 1, seq: 0, offset: PIECE.length });
    connection.push(stream.done());
    await client.frame((f) => f.type === 'chat.done');
    const [hello, ...frames] = client.frames.map((f) => f.type);
    expect(hello).toBe('gateway.hello');
    expect(frames.slice(0, -1).every((type) => type === 'chat.delta')).toBe(true);
    expect(frames.at(-1)).toBe('chat.done');
    const text = client.frames
      .slice(1, -1)
      .map((f) => String(f.body?.['text']))
      .join('');
    expect(PIECE + text === stream.text).toBe(true);
  });

  it('is closed with `resume` when pushes pile up beyond the hard limit', async () => {
    const { client, connection, gateway } = await openPair({ limits: { hardQueueBytes: 100_000 } });
    const stream = new GrowingText();
    connection.addStream(stream, start());
    await fillUp(client, connection, stream, () => gateway.blockedCount);
    let pushed = 0;
    while (!connection.closed && pushed < 100_000) connection.push(note(pushed++));
    expect(connection.closed).toBe(true);
    expect(pushed).toBeGreaterThan(1000);
    expect(gateway.connections.count + gateway.blockedCount).toBe(0);
    client.socket.resume();
    expect(await client.closed).toBe(4000);
  });

  it('is closed with `resume` when it takes nothing for too long', async () => {
    const clock = new ManualClock();
    const { client, connection, gateway } = await openPair({ clock, limits: { snapshotBehindUnits: 10_000_000 } });
    const stream = new GrowingText();
    connection.addStream(stream, start());
    await fillUp(client, connection, stream, () => gateway.blockedCount);
    clock.advance(gateway.limits.stallMs - 1);
    expect(connection.closed).toBe(false);
    clock.advance(5001);
    expect(connection.closed).toBe(true);
    client.socket.resume();
    expect(await client.closed).toBe(4000);
  });

  it('keeps its answers in order behind what waits', async () => {
    const { promise, resolve } = Promise.withResolvers<{ stopped: boolean }>();
    const handlers = handlersWith({ 'chat.stop': () => promise });
    const { client, connection, gateway } = await openPair({ handlers });
    const stream = new GrowingText();
    connection.addStream(stream, start());
    await client.ask('gateway.ping', {});
    client.send({ type: 'chat.stop', id: 'late', body: { generationId: stream.key } });
    await client.ask('gateway.ping', {}, 'arrived');
    await fillUp(client, connection, stream, () => gateway.blockedCount);
    connection.push(note(1));
    resolve({ stopped: true });
    await setImmediate();
    connection.push(note(2));
    client.socket.resume();
    await client.frame((f) => f.body?.['revision'] === 2);
    expect(client.frames.slice(-3).map((f) => f.id ?? f.body?.['revision'])).toEqual([1, 'late', 2]);
  });
});

describe('many readers of one stream', () => {
  it('share the encoding of a piece, whatever their subprotocol', async () => {
    const { url, gateway } = await openPair();
    const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => TestClient.open(url, subprotocols[i % 2])));
    const stream = new GrowingText();
    for (const connection of gateway.connections) connection.addStream(stream, start());
    for (const word of ['many ', 'readers']) {
      stream.grow(word);
      for (const connection of gateway.connections) connection.wakeStream(stream.key);
      await Promise.all(clients.map((client) => client.frame((f) => f.body?.['text'] === word)));
    }
    expect(clients.map((client) => joinPieces(client.frames))).toEqual(Array(8).fill('many readers'));
  });

  it('do not suffer from one whose stream throws', async () => {
    const { url, gateway, client, log } = await openPair();
    const other = await TestClient.open(url);
    class Broken extends GrowingText {
      override next(): never {
        throw new Error('broken source');
      }
    }
    const [first, second] = [...gateway.connections];
    first?.addStream(new Broken(), start());
    second?.push(note(1));
    await other.frame((f) => f.body?.['revision'] === 1);
    expect(await client.closed).toBe(4102);
    expect(messagesOf(log, 'error')).toEqual(['a stream could not be read']);
  });

  it('forget a stream that they left, or that ended', async () => {
    const { client, connection } = await openPair();
    const [left, ended] = [new GrowingText('left'), new GrowingText('ended')];
    connection.addStream(left, start());
    connection.addStream(ended, start());
    left.grow('unheard');
    ended.grow('last');
    ended.ended = true;
    connection.removeStream('left');
    await client.frame((f) => f.body?.['text'] === 'last');
    ended.grow('too late');
    for (const key of ['left', 'ended']) connection.wakeStream(key);
    connection.push(note(1));
    await client.frame((f) => f.body?.['revision'] === 1);
    expect(joinPieces(client.frames)).toBe('last');
  });

  it('of a new epoch begin again from a snapshot', async () => {
    const { client, connection } = await openPair();
    const stream = new GrowingText();
    connection.addStream(stream, start());
    stream.grow('old owner');
    connection.wakeStream(stream.key);
    await client.frame((f) => f.type === 'chat.delta');
    Object.assign(stream, { epoch: 2, text: 'old own', seq: 0 });
    stream.grow(' and new');
    connection.wakeStream(stream.key);
    await client.frame((f) => f.type === 'chat.snapshot');
    expect(joinPieces(client.frames)).toBe('old own and new');
  });

  it('that ended unseen are let go when the next one begins', async () => {
    const { client, connection } = await openPair();
    const old = new GrowingText('old');
    connection.addStream(old, start());
    connection.push(note(1));
    await client.frame((f) => f.body?.['revision'] === 1);
    old.ended = true;
    const pulls = old.pulls;
    const fresh = new GrowingText('fresh');
    connection.addStream(fresh, start());
    fresh.grow('new');
    connection.wakeStream('old');
    await client.frame((f) => f.body?.['text'] === 'new');
    expect(old.pulls).toBe(pulls);
  });
});

it('any schedule of growing, pausing and pushing gives the same text, and pushes in their order', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('grow' as const), units: fc.integer({ min: 1, max: 300_000 }) }),
    fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'push' as const, 'turn' as const) }),
  );
  const limits = { softBufferBytes: 4096, snapshotBehindUnits: 400_000 };
  const { url, gateway } = await openPair({ limits });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40 }),
      fc.constantFrom(...subprotocols),
      async (steps, subprotocol) => {
        const client = await TestClient.open(url, subprotocol);
        const connection = gateway.connections.find(String(client.frames[0]?.body?.['connectionId']));
        if (connection === undefined) throw new Error('no connection');
        const stream = new GrowingText();
        connection.addStream(stream, start());
        let pushed = 0;
        for (const [i, one] of steps.entries()) {
          if (one.do === 'grow') {
            stream.grow(String.fromCharCode(0x3041 + (i % 80)).repeat(one.units));
            connection.wakeStream(stream.key);
          } else if (one.do === 'push') connection.push(note(pushed++));
          else if (one.do === 'turn') await setImmediate();
          else client.socket[one.do]();
        }
        stream.ended = true;
        connection.wakeStream(stream.key);
        connection.push(stream.done());
        client.socket.resume();
        await client.frame((f) => f.type === 'chat.done');
        expect(joinPieces(client.frames) === stream.text).toBe(true);
        const revisions = client.frames.filter((f) => f.type === 'chat.selected').map((f) => f.body?.['revision']);
        expect(revisions).toEqual(Array.from({ length: pushed }, (_, i) => i));
        expect(client.frames.at(-1)?.type).toBe('chat.done');
        client.socket.terminate();
      },
    ),
    { numRuns: 25 },
  );
});
