/** Bad input of every kind: an answer or a close, never a crash, a leak or a hang. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codecs, type Subprotocol, subprotocols } from '../../protocol/codec.ts';
import { upFrames } from '../../protocol/up.ts';
import { type Frame, startGateway, TestClient, type TestGateway } from './test-gateway.ts';

/** No limit but those of form, so that every frame is really read. */
const generous = { perSecond: 1_000_000, burst: 1_000_000 };
let patient: TestGateway;
let strict: TestGateway;
beforeAll(async () => {
  patient = await startGateway({
    limits: { framesPerConnection: generous, framesPerUser: generous, maxMalformed: 1e9 },
  });
  strict = await startGateway({ limits: { maxFrameBytes: 2000 } });
});
afterAll(() => {
  patient.gateway.close();
  strict.gateway.close();
});

/** A TCP connection on which the upgrade has happened. */
async function rawSocket(port: number, subprotocol: Subprotocol): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  // The server may cut the line while we still write; that is an expected outcome.
  socket.on('error', () => {});
  socket.write(
    'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer good\r\n' +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
  );
  const [head] = (await once(socket, 'data')) as [Buffer];
  expect(head.toString('latin1')).toContain('101 Switching Protocols');
  return socket;
}

type RawFrame = { fin: boolean; rsv: number; opcode: number; masked: boolean; announced: number; payload: Uint8Array };

/** A WebSocket frame as it would be sent by somebody who does not care for the rules. */
function writeFrame({ fin, rsv, opcode, masked, announced, payload }: RawFrame): Buffer {
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const mask = masked ? [9, 8, 7, 6] : [];
  const size =
    announced < 126
      ? [announced]
      : announced < 65_536
        ? [126, announced >> 8, announced & 255]
        : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (announced >>> shift) & 255)];
  size[0] = (size[0] ?? 0) | (masked ? 0x80 : 0);
  const body = masked ? payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)) : payload;
  return Buffer.concat([Buffer.from([first, ...size, ...mask]), body]);
}
const text = (value: string, more: Partial<RawFrame> = {}): Buffer => {
  const payload = new TextEncoder().encode(value);
  return writeFrame({ fin: true, rsv: 0, opcode: 1, masked: true, announced: payload.byteLength, payload, ...more });
};
const PING = '{"type":"gateway.ping","id":1,"body":{}}';

/** Sends bytes, ends our side, and gives what came back until the server ended its side. */
async function exchange(port: number, bytes: Buffer, subprotocol: Subprotocol = 'tsumugi.v1.json'): Promise<string> {
  const socket = await rawSocket(port, subprotocol);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => void chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

async function expectHealthy({ url, gateway, log }: TestGateway): Promise<void> {
  const client = await TestClient.open(url, 'tsumugi.v1.json', 'user-9');
  expect(await client.ask('gateway.ping', {})).toMatchObject({ type: 'reply' });
  const left = [...gateway.connections].filter(
    ({ connectionId }) => connectionId !== client.frames[0]?.body?.['connectionId'],
  );
  expect(left).toEqual([]);
  const gone = new Promise<void>((resolve) => [...gateway.connections][0]?.onClose(() => resolve()));
  client.socket.terminate();
  await gone;
  expect(gateway.connections.count).toBe(0);
  expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
}

describe('broken WebSocket frames', () => {
  const { fin, ...rest } = { fin: false, opcode: 1 };
  it.each<[string, Buffer, RegExp]>([
    ['an unmasked one ends the connection', text(PING, { masked: false }), /^(?!.*"reply")/s],
    ['a reserved bit ends the connection', text(PING, { rsv: 4 }), /^(?!.*"reply")/s],
    ['a reserved opcode ends the connection', text(PING, { opcode: 3 }), /^(?!.*"reply")/s],
    [
      'invalid UTF-8 ends the connection',
      text('', { payload: Uint8Array.of(0xc3, 0x28), announced: 2 }),
      /^(?!.*"reply")/s,
    ],
    ['a truncated one is never seen', text(PING, { announced: 500 }), /^(?!.*"reply")/s],
    ['a continuation of nothing is never answered as a command', text(PING, { opcode: 0 }), /^(?!.*"reply")/s],
    ['one that announces gigabytes ends the connection', text('', { announced: 0x7fffffff }), /^(?!.*"reply")/s],
    ['one that is larger than allowed closes with its code', text(`{"a":"${'x'.repeat(3000)}"}`), /too_large/],
    [
      'a fragmented one is put together',
      Buffer.concat([text(PING.slice(0, 9), { ...rest, fin }), text(PING.slice(9), { opcode: 0 })]),
      /"reply"/,
    ],
    [
      'fragments with a ping between them too',
      Buffer.concat([text(PING.slice(0, 9), { fin }), text('hi', { opcode: 9 }), text(PING.slice(9), { opcode: 0 })]),
      /hi.*"reply"/s,
    ],
    ['an oversized ping ends the connection', text('x'.repeat(200), { opcode: 9 }), /^(?!.*"reply")/s],
    ['a binary one on a text connection closes with its code', text(PING, { opcode: 2 }), /unsupported/],
    [
      'a close with a broken code is answered by the end',
      text('', { opcode: 8, payload: Uint8Array.of(0, 1, 0xff), announced: 3 }),
      /^(?!.*"reply")/s,
    ],
    ['HTTP instead of frames ends the connection', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /^(?!.*"reply")/s],
  ])('%s', async (_, bytes, expected) => {
    expect(await exchange(strict.port, bytes)).toMatch(expected);
    await expectHealthy(strict);
  });

  it('of any kind leave the server healthy and hold nothing', async () => {
    const rawFrame = fc.record<RawFrame>({
      fin: fc.boolean(),
      rsv: fc.constantFrom(0, 0, 0, 1, 7),
      opcode: fc.constantFrom(0, 1, 2, 3, 8, 9, 10, 15),
      masked: fc.constantFrom(true, true, true, false),
      announced: fc.constantFrom(0, 1, 2, 8, 125, 126, 3000, 70_000),
      payload: fc.uint8Array({ maxLength: 130 }),
    });
    const frames = fc.array(fc.tuple(rawFrame, fc.boolean()), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(frames, fc.constantFrom(...subprotocols), async (list, subprotocol) => {
        const bytes = list.map(([frame, honest]) =>
          writeFrame(honest ? { ...frame, announced: frame.payload.byteLength } : frame),
        );
        await exchange(strict.port, Buffer.concat(bytes), subprotocol);
      }),
      { numRuns: 150 },
    );
    await expectHealthy(strict);
  });
});

const upType = fc.constantFrom(...upFrames.map((frame) => frame.type));
/** Bodies with the names that commands know and values that they do not. */
const memberName = fc.constantFrom(
  'conversationId',
  'generationId',
  'messageId',
  'kind',
  'text',
  'after',
  'limit',
  'before',
  'name',
  'x',
);
const anyValue = fc.jsonValue({ maxDepth: 3 });
const anyFrame = fc.record({
  type: fc.oneof({ weight: 4, arbitrary: upType }, fc.string()),
  id: fc.oneof(fc.nat(), fc.string({ minLength: 1, maxLength: 64 }), anyValue),
  body: fc.oneof({ weight: 4, arbitrary: fc.dictionary(memberName, anyValue) }, anyValue),
});

describe.each(subprotocols)('frames of %s', (subprotocol) => {
  /** Sends messages, then a command that shows where the answers end. */
  async function answersTo(messages: readonly (Uint8Array | string)[]): Promise<Frame[]> {
    const client = await TestClient.open(patient.url, subprotocol);
    for (const message of messages) client.socket.send(message);
    await client.ask('gateway.ping', {}, 'the-end-of-the-test');
    client.socket.terminate();
    return client.frames.slice(1, -1);
  }

  it('get exactly one answer each, whatever is in them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 20 }), async (frames) => {
        const answers = await answersTo(frames.map((frame) => codecs[subprotocol].encode(frame)));
        expect(answers.length).toBe(frames.length);
        for (const answer of answers) expect(['reply', 'error']).toContain(answer.type);
        expect(answers.filter((answer) => answer.code === 'internal')).toEqual([]);
      }),
      { numRuns: 60 },
    );
    await fc.assert(
      fc.asyncProperty(fc.constant(0), () => expectHealthyNow()),
      { numRuns: 1 },
    );
  });

  it('get exactly one answer each, also when they are no frames at all', async () => {
    const rubbish: fc.Arbitrary<string | Uint8Array> =
      subprotocol === 'tsumugi.v1.json'
        ? fc.string({ unit: 'grapheme', maxLength: 80 })
        : fc.uint8Array({ maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(fc.array(rubbish, { maxLength: 20 }), async (messages) => {
        const answers = await answersTo(messages);
        expect(answers.map((answer) => answer.code)).toEqual(messages.map(() => 'protocol.malformed'));
      }),
      { numRuns: 60 },
    );
    await expectHealthyNow();
  });

  it('of extreme depth or width are refused', async () => {
    const deep = subprotocol === 'tsumugi.v1.json' ? '['.repeat(60_000) : new Uint8Array(60_000).fill(0x91);
    const wide =
      subprotocol === 'tsumugi.v1.json' ? `[${'[],'.repeat(20_000)}0]` : Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff);
    const answers = await answersTo([deep, wide]);
    expect(answers.map((answer) => answer.code)).toEqual(['protocol.malformed', 'protocol.malformed']);
  });

  /** The clients of the runs have gone, but the server hears of it a little later than we. */
  async function expectHealthyNow(): Promise<void> {
    const left = [...patient.gateway.connections];
    await Promise.all(left.map((connection) => new Promise<void>((resolve) => connection.onClose(() => resolve()))));
    await expectHealthy(patient);
  }
});

describe('broken HTTP', () => {
  /** Sends bytes on a fresh connection and waits until the server has ended it. */
  async function sendHttp(bytes: Uint8Array | string): Promise<string> {
    const socket = connect(strict.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk) => void chunks.push(chunk));
    socket.end(bytes);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString('latin1');
  }

  it.each([
    ['a request line without a path', 'GET\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost x\r\n\r\n'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}`],
    [
      'both ways to announce a body',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n',
    ],
    [
      'two lengths of a body',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    ],
    [
      'an encoding that is not quite `chunked`',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n',
    ],
    ['a body of negative length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello'],
    [
      'a chunk of impossible size',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx',
    ],
    ['the greeting of TLS', Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3)],
  ])('is refused or ended: %s', async (_, bytes) => {
    const answers = await sendHttp(bytes);
    expect(answers).not.toMatch(/HTTP\/1\.1 2/);
    expect(answers.match(/HTTP\/1\.1 /g) ?? []).toHaveLength(answers === '' ? 0 : 1);
    await expectHealthy(strict);
  });

  it('of any kind leaves the server healthy', async () => {
    const line = fc.oneof(
      fc.constantFrom(
        'GET / HTTP/1.1',
        'Host: x',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Content-Length: 4',
        '',
        '',
      ),
      fc.string(),
    );
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(line, { maxLength: 12 }).map((lines) => `${lines.join('\r\n')}\r\n\r\n`),
    );
    await fc.assert(
      fc.asyncProperty(message, async (bytes) => void (await sendHttp(bytes))),
      { numRuns: 150 },
    );
    await expectHealthy(strict);
  });
});

it('a flood is refused and then closed, and fills no log', async () => {
  const linesBefore = strict.log.lines.length;
  const socket = await rawSocket(strict.port, 'tsumugi.v1.json');
  const got: Buffer[] = [];
  socket.on('data', (chunk) => void got.push(chunk));
  const flood = Buffer.concat(Array.from({ length: 200 }, () => text(PING)));
  while (!socket.destroyed && !socket.readableEnded) {
    if (!socket.write(flood)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }
  if (!socket.closed) await once(socket, 'close');
  expect(Buffer.concat(got).toString('latin1')).toContain('rate_limited');
  const told = strict.log.lines
    .slice(linesBefore)
    .map(({ facts, message }) => [message, 'code' in facts && facts.code]);
  expect(told).toEqual([['socket closed by the server', 4101]]);
  await expectHealthy(strict);
});
