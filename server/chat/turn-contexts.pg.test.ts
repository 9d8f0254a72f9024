/** Two gateways know a conversation from its last turn, and both are wrong now and then: no prompt may ever show it. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import type { ChatRequest, StreamHandle, StreamListener } from '../llm/model.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

let bench: Bench;
let east: TestEngine;
let west: TestEngine;
const requests: ChatRequest[] = [];

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 5_000 });
  const noting = { ...bench, model: notingModel() };
  // Not started: they do not hear of each other, which is the worst that can be.
  east = new TestEngine(noting, 'east', { maxOutputTokens: 16 });
  west = new TestEngine(noting, 'west', { maxOutputTokens: 16 });
});
afterAll(() => bench.close());

/** The real model, whose requests are noted. */
function notingModel(): Bench['model'] {
  const stream = (request: ChatRequest, listener: StreamListener): StreamHandle => {
    requests.push(request);
    return bench.model.stream(request, listener);
  };
  return new Proxy(bench.model, {
    get: (model, name) => {
      if (name === 'stream') return stream;
      const value: unknown = Reflect.get(model, name, model);
      return typeof value === 'function' ? value.bind(model) : value;
    },
  });
}

class Talk {
  readonly #devices: { engine: TestEngine; reader: Reader }[];
  readonly conversationId: string;
  #said = 0;

  constructor(devices: { engine: TestEngine; reader: Reader }[], conversationId: string) {
    this.#devices = devices;
    this.conversationId = conversationId;
  }

  static async begin(): Promise<Talk> {
    const userId = await bench.newUser();
    const avatarId = await bench.newAvatar(userId);
    const devices = [east, west].map((engine) => ({ engine, reader: engine.connect(userId) }));
    const [first] = devices;
    if (first === undefined) throw new Error('no device');
    const { conversationId } = await first.engine.chat.open(first.reader.caller, { avatarId, kind: 'conversation' });
    return new Talk(devices, conversationId);
  }

  device(at: number) {
    const device = this.#devices[at % this.#devices.length];
    if (device === undefined) throw new Error('no device');
    return device;
  }

  async messages(at = 0) {
    const { engine, reader } = this.device(at);
    return (await engine.chat.history(reader.caller, { conversationId: this.conversationId })).messages;
  }

  /** The answer is there, and its prompt was what stands above it in the tree. */
  async answered(at: number, start: Promise<{ generationId: string; messageId: string }>): Promise<void> {
    const { engine, reader } = this.device(at);
    const { generationId, messageId } = await start;
    await reader.done(generationId);
    await engine.settler.idle();
    const branch = await this.messages(at);
    const question = branch.findIndex((message) => message.messageId === messageId);
    expect(question).toBeGreaterThanOrEqual(0);
    const said = requests.at(-1)?.messages.filter(({ role }) => role !== 'system');
    expect(said?.map(({ content }) => content)).toEqual(branch.slice(0, question + 1).map(({ text }) => text));
  }

  send(at: number): Promise<void> {
    const { engine, reader } = this.device(at);
    const text = `Saying ${this.#said++}.`;
    const body = { conversationId: this.conversationId, clientMessageId: uuidv7(), text };
    return this.answered(at, engine.turns.send(reader.caller, body));
  }

  async regenerate(at: number, which: number): Promise<void> {
    const { engine, reader } = this.device(at);
    const messageId = pick(await this.messages(at), which)?.messageId;
    if (messageId === undefined) return;
    await this.answered(at, engine.turns.regenerate(reader.caller, { messageId, clientMessageId: uuidv7() }));
  }

  async edit(at: number, which: number): Promise<void> {
    const { engine, reader } = this.device(at);
    const own = (await this.messages(at)).filter(({ role }) => role === 'user');
    const messageId = pick(own, which)?.messageId;
    if (messageId === undefined) return;
    const body = { messageId, clientMessageId: uuidv7(), text: `Rather ${this.#said++}.` };
    await this.answered(at, engine.turns.edit(reader.caller, body));
  }

  async select(at: number, which: number): Promise<void> {
    const { engine, reader } = this.device(at);
    const branching = (await this.messages(at)).flatMap(({ siblings }) => siblings);
    const messageId = pick(branching, which);
    if (messageId !== undefined) await engine.chat.select(reader.caller, { messageId });
  }
}

const pick = <T>(items: readonly T[], which: number): T | undefined => items[which % Math.max(1, items.length)];

describe('a conversation that goes on at two gateways', () => {
  it('is told to the model as it stands, whatever was done where', async () => {
    const step = fc.record({
      what: fc.constantFrom('send', 'send', 'send', 'regenerate', 'edit', 'select') as fc.Arbitrary<
        'send' | 'regenerate' | 'edit' | 'select'
      >,
      at: fc.nat(1),
      which: fc.nat(9),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 9 }), async (steps) => {
        const talk = await Talk.begin();
        for (const { what, at, which } of steps) await talk[what](at, which);
      }),
      { numRuns: 12 },
    );
  });

  it('is not read again for a second turn at the same gateway', async () => {
    const talk = await Talk.begin();
    await talk.send(0);
    const { conversationId } = talk;
    const before = east.engine.contexts.find(conversationId, talk.device(0).reader.userId);
    expect(before?.turns.map(({ role }) => role)).toEqual(['ai', 'user']);
    await talk.send(1);
    // It has not heard of that, and finds out by the revision.
    expect(east.engine.contexts.find(conversationId, talk.device(0).reader.userId)).toBe(before);
    await talk.send(0);
    expect(await talk.messages()).toHaveLength(6);
  });

  it('goes on nowhere once it is deleted', async () => {
    const talk = await Talk.begin();
    await talk.send(0);
    const { engine, reader } = talk.device(1);
    await engine.chat.delete(reader.caller, talk.conversationId);
    await expect(talk.send(0)).rejects.toMatchObject({ code: 'chat.conversation_not_found' });
    const turns = await bench.db.asService(
      (tx) => tx.sql`select 1 from chat.generations where conversation_id = ${talk.conversationId}`,
    );
    expect(turns).toHaveLength(1);
  });

  it('takes the same command once, though each gateway knows the conversation from before', async () => {
    const talk = await Talk.begin();
    await talk.send(0);
    await talk.send(1);
    const body = { conversationId: talk.conversationId, clientMessageId: 'twice', text: 'Once, please.' };
    const starts = await Promise.all(
      [0, 1, 0, 1].map((at) => talk.device(at).engine.turns.send(talk.device(at).reader.caller, body)),
    );
    expect(new Set(starts.map(({ generationId }) => generationId)).size).toBe(1);
    await talk.device(0).engine.hub.idle();
    await talk.device(1).engine.hub.idle();
    // And again, when all of it is over and known.
    const again = await talk.device(0).engine.turns.send(talk.device(0).reader.caller, body);
    expect(again.generationId).toBe(starts[0]?.generationId);
    expect(await talk.messages()).toHaveLength(6);
  });
});
