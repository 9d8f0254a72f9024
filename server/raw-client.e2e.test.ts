/**
 * Clients written from the table of the design alone, with nothing of ours: `fetch`, the `ws` package, and JSON or a
 * MessagePack library. What they rely on is the contract.
 */
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let server: TestServer;
let accessToken: string;
beforeAll(async () => {
  server = await startTestServer({ env: { PERSONA_TOKENS_PER_SECOND: '200' } });
  const answer = await post('/auth/sign-up', { email: 'raw@example.com', password: 'a long pass phrase' });
  accessToken = answer.body['accessToken'] as string;
  expect(answer.body).toEqual({
    userId: expect.any(String),
    accessToken: expect.any(String),
    refreshToken: expect.any(String),
    expiresInS: expect.any(Number),
  });
});
afterAll(() => server?.close());

type Body = Record<string, unknown>;
type Frame = { type: string; id?: number; body: Body; code?: string };
async function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Body }> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  const response = await fetch(server.url + path, init);
  return { status: response.status, body: (await response.json()) as Body };
}

const wsUrl = (query = '') => `${server.url.replace('http', 'ws')}/ws${query}`;
const bearer = () => ({ headers: { authorization: `Bearer ${accessToken}` } });
const packr = new Packr({ useRecords: false });
const formats = {
  'tsumugi.v1.json': {
    write: (frame: object) => JSON.stringify(frame),
    read: (data: Buffer) => JSON.parse(data.toString()) as Frame,
  },
  'tsumugi.v1.msgpack': {
    write: (frame: object) => packr.pack(frame),
    read: (data: Buffer) => packr.unpack(data) as Frame,
  },
};
type Format = keyof typeof formats;
const upper = (id: unknown) => String(id).toUpperCase();

class RawClient {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  readonly #format: Format;
  readonly #waiting: (() => void)[] = [];
  closeCode: number | undefined;

  constructor(format: Format, url = wsUrl(), options: object = bearer()) {
    this.#format = format;
    this.socket = new WebSocket(url, [format], options);
    this.socket.on('message', (data: Buffer, binary) => {
      expect(binary).toBe(format === 'tsumugi.v1.msgpack');
      this.frames.push(formats[format].read(data));
      this.#wake();
    });
    this.socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  send(type: string, id: number, body: Body): void {
    this.socket.send(formats[this.#format].write({ type, id, body }));
  }

  async ask(type: string, id: number, body: Body): Promise<Frame> {
    this.send(type, id, body);
    return this.frame((frame) => frame.id === id);
  }

  async frame(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async closed(): Promise<number> {
    while (this.closeCode === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.closeCode;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

describe.each(['tsumugi.v1.json', 'tsumugi.v1.msgpack'] as const)('a client of its own over %s', (format) => {
  it('lists avatars, opens, sends, reads the answer and its end', async () => {
    const client = new RawClient(format);
    await client.frame(({ type }) => type === 'gateway.hello');
    expect(client.frames[0]?.type).toBe('gateway.hello');
    const list = await client.ask('companion.list_avatars', 1, {});
    const [avatar] = list.body['avatars'] as { avatarId: string; name: string }[];
    expect(avatar).toMatchObject({ avatarId: expect.any(String), name: expect.any(String) });
    const opened = await client.ask('chat.open', 2, { avatarId: avatar?.avatarId, kind: 'conversation' });
    const { conversationId } = opened.body;
    const sent = await client.ask('chat.send', 3, { conversationId, clientMessageId: format, text: 'Hello 🌊' });
    const { generationId, messageId } = sent.body as { generationId: string; messageId: string };
    const done = await client.frame(
      (frame) => frame.type === 'chat.done' && frame.body['generationId'] === generationId,
    );
    expect(done.body).toMatchObject({
      messageId: expect.any(String),
      finishReason: 'stop',
      usage: { tokensIn: expect.any(Number), tokensOut: expect.any(Number) },
      ledger: { shard: expect.any(Number), seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });

    let text = '';
    const deltas = client.frames.filter(
      (frame) => frame.type === 'chat.delta' && frame.body['generationId'] === generationId,
    );
    for (const { body } of deltas) {
      expect(Object.keys(body).sort()).toEqual(['epoch', 'generationId', 'offset', 'seq', 'text']);
      expect(body['offset']).toBe(text.length);
      text += body['text'];
    }
    expect(deltas.length).toBeGreaterThan(1);
    const history = await client.ask('chat.history', 4, { conversationId, limit: 10 });
    expect(history.body).toMatchObject({ messages: [{ messageId, text: 'Hello 🌊' }, { text }], nextBefore: null });
    const attached = await client.ask('chat.attach', 5, { conversationId });
    expect(attached.body).toMatchObject({ generation: null, messages: [{ messageId }, { text }] });
    expect((await client.ask('chat.stop', 6, { generationId })).type).toBe('reply');

    const again = await client.ask('chat.regenerate', 7, {
      messageId: (done.body as { messageId: string }).messageId,
      expectedRevision: done.body['revision'],
    });
    const second = await client.frame(
      ({ type, body }) => type === 'chat.done' && body['generationId'] === again.body['generationId'],
    );
    const back = await client.ask('chat.select', 8, {
      messageId: done.body['messageId'],
      expectedRevision: second.body['revision'],
    });
    expect(back.body).toMatchObject({ messages: [{ messageId }, { text }] });
    const edited = await client.ask('chat.edit', 9, {
      messageId,
      text: 'Hello again',
      expectedRevision: back.body['revision'],
    });
    await client.frame(
      ({ type, body }) => type === 'chat.done' && body['generationId'] === edited.body['generationId'],
    );
    client.socket.close();
    // One answer for every command, and nothing else carries an id.
    expect(client.frames.flatMap(({ id }) => id ?? []).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('comes back over another socket, goes on behind what it has, and stops', async () => {
    const first = new RawClient(format);
    await first.frame(({ type }) => type === 'gateway.hello');
    const list = await first.ask('companion.list_avatars', 1, {});
    const [avatar] = list.body['avatars'] as { avatarId: string }[];
    const opened = await first.ask('chat.open', 2, { avatarId: avatar?.avatarId, kind: 'conversation', lang: 'ja' });
    const { conversationId } = opened.body;
    const body = { conversationId, clientMessageId: `${format} again`, text: '海と星の長い話を聞かせて。' };
    const { generationId } = (await first.ask('chat.send', 3, body)).body;
    const isDelta = (frame: Frame) => frame.type === 'chat.delta' && frame.body['generationId'] === generationId;
    await first.frame(isDelta);
    first.socket.terminate();
    await first.closed();
    const seen = first.frames.filter(isDelta);
    const { epoch, seq } = seen.at(-1)?.body ?? {};

    const second = new RawClient(format);
    await second.frame(({ type }) => type === 'gateway.hello');
    // Some platforms write UUIDs in upper case.
    const [sameConversation, sameGeneration] = [upper(conversationId), upper(generationId)];
    const after = { generationId: sameGeneration, epoch, seq };
    const attached = await second.ask('chat.attach', 1, { conversationId: sameConversation, after });
    expect(attached.body['resumed']).toBe(true);
    const { stopped } = (await second.ask('chat.stop', 2, { generationId: sameGeneration })).body;
    const done = await second.frame((frame) => frame.type === 'chat.done');
    // It races with the end: one of the two happened, and this client learns which.
    expect(done.body).toMatchObject({ generationId, finishReason: stopped === true ? 'stopped' : 'stop' });
    let text = '';
    for (const delta of [...seen, ...second.frames.filter(isDelta)]) {
      expect(delta.body['offset']).toBe(text.length);
      text += delta.body['text'];
    }
    expect(done.body['length']).toBe(text.length);
    const history = await second.ask('chat.history', 3, { conversationId });
    expect(history.body).toMatchObject({ messages: [{ text: body.text }, { text }] });
    // What it claims to have cannot be: it is told so, and gets what there is.
    const impossible = { generationId, epoch: 7, seq: 0 };
    const stale = await second.ask('chat.attach', 4, { conversationId, after: impossible });
    expect(stale.body).toMatchObject({ resumed: false, generation: null, messages: [{}, { text }] });
    second.socket.close();
  });

  it('gets a documented error for what is wrong, and stays connected', async () => {
    const client = new RawClient(format);
    await client.frame(({ type }) => type === 'gateway.hello');
    expect(await client.ask('chat.juggle', 1, {})).toMatchObject({ type: 'error', code: 'protocol.unknown_type' });
    expect(await client.ask('chat.send', 2, { text: 7 })).toMatchObject({
      type: 'error',
      code: 'protocol.invalid_body',
    });
    expect(await client.ask('chat.open', 3, { kind: 'diary' })).toMatchObject({
      type: 'error',
      code: 'chat.kind_unavailable',
    });
    expect(await client.ask('gateway.ping', 4, {})).toMatchObject({ type: 'reply' });
    client.socket.close();
  });
});

describe('the door', () => {
  it('opens for a ticket once', async () => {
    const { body } = await post('/auth/socket-ticket', {}, bearer().headers);
    const query = `?ticket=${encodeURIComponent(String(body['ticket']))}`;
    const first = new RawClient('tsumugi.v1.json', wsUrl(query), {});
    await first.frame(({ type }) => type === 'gateway.hello');
    expect(await refusal(wsUrl(query), {})).toBe(401);
    first.socket.close();
  });

  it('stays shut without credentials', async () => {
    expect(await refusal(wsUrl(), {})).toBe(401);
    expect(await refusal(wsUrl(), { headers: { authorization: 'Bearer wrong' } })).toBe(401);
    const wrong = await post('/auth/sign-in', { email: 'raw@example.com', password: 'not that one' });
    const unknown = await post('/auth/sign-in', { email: 'nobody@example.com', password: 'not that one' });
    expect(wrong).toEqual({
      status: 401,
      body: { error: expect.objectContaining({ code: 'identity.invalid_credentials' }) },
    });
    expect(unknown).toEqual(wrong);
  });

  it('closes a socket that speaks the wrong kind of frame, with the code that says so', async () => {
    const client = new RawClient('tsumugi.v1.json');
    await client.frame(({ type }) => type === 'gateway.hello');
    client.socket.send(new Uint8Array([0x80]));
    expect(await client.closed()).toBe(4203);
  });
});

/** The status that an upgrade is refused with. */
function refusal(url: string, options: object): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, ['tsumugi.v1.json'], options);
    socket.on('unexpected-response', (_, response) => {
      resolve(response.statusCode);
      response.destroy();
      socket.terminate();
    });
    socket.on('error', () => {});
    socket.on('open', () => resolve(101));
  });
}
