/** The whole server against broken connections and sudden death: nothing that was shown is lost, nothing is charged twice. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { WebSocketConstructor } from '../protocol/client/environment.ts';
import type { Generation } from '../protocol/client/generation.ts';
import type { TsumugiClient } from '../protocol/client.ts';
import { HeldModel } from './testing/held-model.ts';
import { openConversation, Person, when } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let model: HeldModel;
let server: TestServer;
let hana: Person;
beforeAll(async () => {
  model = await HeldModel.start();
  server = await startTestServer({ env: { ...model.env, DRAIN_TIMEOUT_MS: '200000' } });
  hana = await Person.signUp(server.url);
});
afterEach(() => hana?.leave());
beforeEach(() => model.hold());
afterAll(async () => {
  await server?.close();
  await model?.[Symbol.asyncDispose]();
});

/** Sockets that a test can cut without the client's doing. */
function cuttable(): { WebSocket: WebSocketConstructor; cut: () => void; opened: () => number } {
  const sockets: WebSocket[] = [];
  class Cuttable extends globalThis.WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  return {
    WebSocket: Cuttable as unknown as WebSocketConstructor,
    cut: () => sockets.at(-1)?.close(),
    opened: () => sockets.length,
  };
}

async function read(generation: Generation): Promise<string> {
  let text = '';
  for await (const piece of generation) text += piece;
  return text;
}

/** What the account has paid for this answer, by its ledger. */
async function charges(client: TsumugiClient, messageId: string | null): Promise<number[]> {
  const { entries } = await client.request('billing.ledger', { limit: 100 });
  return entries.filter((entry) => entry.messageId === messageId).map(({ tokenAmount }) => tokenAmount);
}

describe.each(['json', 'msgpack'] as const)('a connection over %s that breaks in the middle of an answer', (codec) => {
  it('comes back and goes on, with the same text to the byte', async () => {
    const { WebSocket, cut, opened } = cuttable();
    const client = await hana.device({ codec, WebSocket });
    const conversation = await openConversation(client);
    const generation = await conversation.send('Tell me about the sea, at length.');
    const reading = read(generation);
    for (let length = 0, cuts = 0; cuts < 3; cuts++) {
      await when(conversation, () => generation.text.length > length);
      length = generation.text.length;
      cut();
      model.say(4);
    }
    model.release();
    const done = await generation.done;
    expect(opened()).toBe(4);
    expect(await reading).toBe(done.text);
    const watcher = await hana.device();
    const { messages } = await watcher.request('chat.history', { conversationId: conversation.conversationId });
    expect(messages[1]).toMatchObject({ text: done.text, finishReason: 'stop' });
    expect(await charges(watcher, done.messageId)).toHaveLength(1);
  });
});

it('an answer goes on while nobody listens, and is there afterwards', async () => {
  const client = await hana.device();
  const conversation = await openConversation(client);
  const generation = await conversation.send('Say something while I am away.');
  client.close();
  model.release();
  await expect(generation.done).rejects.toMatchObject({ code: 'client.closed' });
  const back = await hana.device();
  const again = await back.conversation(conversation.conversationId);
  await when(again, () => again.messages.length === 2);
  expect(again.messages[1]).toMatchObject({ generationId: generation.generationId, finishReason: 'stop' });
});

it('a late device reads the answer from the beginning while it is written', async () => {
  const [phone, desk] = await Promise.all([hana.device(), hana.device({ codec: 'msgpack' })]);
  const here = await openConversation(phone);
  const generation = await here.send('What would you cook tonight?');
  await when(here, () => generation.text.length > 20);
  const there = await desk.conversation(here.conversationId);
  const seen = there.generation;
  expect(seen?.text.length).toBeGreaterThan(20);
  model.release();
  const [mine, theirs] = await Promise.all([read(generation), read(seen ?? generation)]);
  expect(seen).not.toBe(generation);
  expect(theirs).toBe(mine);
});

describe('a server that is killed in the middle of an answer', () => {
  it('keeps what was shown, ends the answer once, and goes on serving', async () => {
    const client = await hana.device();
    const conversation = await openConversation(client);
    model.release();
    const first = await (await conversation.send('Good evening')).done;
    model.hold();
    const generation = await conversation.send('Tell me everything about the stars.');
    await when(conversation, () => generation.text.length > 10);
    await server.kill();
    const shown = generation.text;
    client.close();

    server = await server.restart();
    hana.moveTo(server.url);
    const back = await hana.device();
    const again = await back.conversation(conversation.conversationId);
    await when(again, () => again.messages.length === 4);
    const kept = again.messages[3];
    expect(kept).toMatchObject({ generationId: generation.generationId, finishReason: 'interrupted' });
    expect(kept?.text.slice(0, shown.length)).toBe(shown);
    expect(await charges(back, generation.messageId)).toEqual([
      (kept?.usage?.tokensIn ?? 0) + (kept?.usage?.tokensOut ?? 0),
    ]);
    expect(await charges(back, first.messageId)).toHaveLength(1);

    model.release();
    const next = await (await again.send('Are you still there?')).done;
    expect(next.finishReason).toBe('stop');
    back.close();
  });
});

it('a server that is told to stop lets the answer end, and leaves nothing running', async () => {
  const client = await hana.device();
  const conversation = await openConversation(client);
  const generation = await conversation.send('One last thing.');
  await when(conversation, () => generation.text.length > 0);
  const stopped = server.stop();
  model.release();
  expect((await generation.done).finishReason).toBe('stop');
  expect(await stopped).toBe(0);
  server = await server.restart();
  hana.moveTo(server.url);
  const { messages } = await (await hana.device()).request('chat.history', {
    conversationId: conversation.conversationId,
  });
  expect(messages[1]?.text).toBe(generation.text);
});
