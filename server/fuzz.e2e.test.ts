/** Every command against the whole server with bodies that fit, nearly fit, or do not: one documented answer each, no failure inside. */

import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { errorCodes } from '../protocol/error-code.ts';
import { type UpType, upFrames } from '../protocol/up.ts';
import { bodyFor } from './testing/arbitrary-body.ts';
import { openConversation, Person } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let server: TestServer;
let person: Person;
let known: Record<string, string[]>;
beforeAll(async () => {
  const room = {
    FRAMES_PER_SECOND: '100000',
    FRAMES_BURST: '100000',
    USER_FRAMES_PER_SECOND: '100000',
    USER_FRAMES_BURST: '100000',
  };
  server = await startTestServer({ env: { ...room, PERSONA_TOKENS_PER_SECOND: '2000', MAX_AVATARS_PER_USER: '1000' } });
  person = await Person.signUp(server.url);
  known = await furnish(person);
});
afterAll(async () => {
  person?.leave();
  await server?.close();
});

/** Something of each kind, so that random commands find things to work on. */
async function furnish(owner: Person): Promise<Record<string, string[]>> {
  const client = await owner.device();
  const conversations = [];
  for (const text of ['One', 'Two']) {
    const conversation = await openConversation(client);
    await (await conversation.send(text)).done;
    conversations.push(conversation);
  }
  const own = await client.request('companion.create_avatar', { name: 'Wren', systemPrompt: 'You are Wren.' });
  const { avatars } = await client.request('companion.list_avatars', {});
  const messages = conversations.flatMap((conversation) => conversation.messages);
  const messageIds = messages.map(({ messageId }) => messageId);
  return {
    avatarId: [own.avatarId, ...avatars.map(({ avatarId }) => avatarId)],
    conversationId: conversations.map(({ conversationId }) => conversationId),
    messageId: messageIds,
    parentId: messageIds,
    generationId: messages.flatMap(({ generationId }) => generationId ?? []),
    before: messageIds,
    clientMessageId: ['c1', 'c2'],
  };
}

type Answer = { type: string; id?: number | null; code?: string };
const packr = new Packr({ useRecords: false });

class Line {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, Answer[]>();
  readonly #waiting: (() => void)[] = [];
  #next = 0;
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer, binary) => {
      const frame = (binary ? packr.unpack(data) : JSON.parse(data.toString())) as Answer;
      // What could not be decoded has no id that could be told; one command is under way at a time.
      if (frame.id !== undefined) this.#answers.get(frame.id ?? this.#next)?.push(frame);
      this.#wake();
    });
    socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  static async open(format: 'json' | 'msgpack'): Promise<Line> {
    const headers = { authorization: `Bearer ${await person.auth.accessToken()}` };
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, [`tsumugi.v1.${format}`], { headers });
    const line = new Line(socket);
    await new Promise<void>((resolve, reject) => socket.once('open', () => resolve()).once('error', reject));
    return line;
  }

  /** The first answer, or the code that the socket was closed with. */
  async ask(type: string, body: unknown): Promise<Answer | number> {
    this.#next += 1;
    const id = this.#next;
    const answers: Answer[] = [];
    this.#answers.set(id, answers);
    const frame = { type, id, body };
    this.#socket.send(this.#socket.protocol.endsWith('json') ? JSON.stringify(frame) : packr.pack(frame));
    while (answers.length === 0 && this.closeCode === undefined)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return answers[0] ?? this.closeCode ?? 0;
  }

  /** Commands that got more or less than one answer. */
  get wronglyAnswered(): number[] {
    return [...this.#answers].filter(([, answers]) => answers.length !== 1).map(([id]) => id);
  }

  close(): void {
    this.#socket.close();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Ending the sessions that the test itself uses would only test that. */
const left: readonly UpType[] = ['identity.change_password', 'chat.delete_conversation'];
const runs = 40;

describe.each(['json', 'msgpack'] as const)('every command over %s', (format) => {
  it('answers any body once, with a reply or a documented error', async () => {
    let line = await Line.open(format);
    for (const frame of upFrames.filter(({ type }) => !left.includes(type))) {
      await fc.assert(
        fc.asyncProperty(bodyFor(frame.body, known), async (body) => {
          const answer = await line.ask(frame.type, body);
          if (typeof answer === 'number') {
            // What cannot be a frame at all may end the connection, by a documented code; never the server.
            expect(answer).toBeGreaterThanOrEqual(4100);
            line = await Line.open(format);
          } else if (answer.type === 'error') {
            expect(Object.keys(errorCodes)).toContain(answer.code);
            expect(answer.code).not.toBe('internal');
          } else expect(answer.type).toBe('reply');
        }),
        { numRuns: runs },
      );
    }
    expect(await line.ask('gateway.ping', {})).toMatchObject({ type: 'reply' });
    if (line.closeCode === undefined) expect(line.wronglyAnswered).toEqual([]);
    line.close();
    const failures = server
      .output()
      .split('\n')
      .filter((entry) => /"level":"(error|fatal)"/.test(entry));
    expect(failures).toEqual([]);
  });
});

it('is as healthy afterwards as before', async () => {
  expect(server.process.exitCode).toBeNull();
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  const client = await person.device();
  const conversation = await openConversation(client);
  expect((await (await conversation.send('Still there?')).done).finishReason).toBe('stop');
});
