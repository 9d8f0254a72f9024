import fc from 'fast-check';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { TsumugiClient } from '../client.ts';
import { conversationId, message, ScriptedChat } from '../testing/scripted-chat.ts';
import { id, ScriptedServer } from '../testing/scripted-server.ts';
import type { Conversation } from './conversation.ts';
import type { Generation } from './generation.ts';

const open: { client: TsumugiClient; server: ScriptedServer }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) {
    one.client.close();
    await one.server[Symbol.asyncDispose]();
  }
});

async function setUp() {
  const server = await ScriptedServer.listen();
  const client = new TsumugiClient({ url: server.url, backoff: { minMs: 1, maxMs: 2 }, random: () => 0 });
  open.push({ server, client });
  const chat = new ScriptedChat(server);
  chat.onOther = (connection, command) => {
    if (command.type === 'chat.send') chat.begin(connection, command);
  };
  await client.connect();
  return { server, client, chat };
}

/** Resolves at the first change after which the condition holds. */
function when(conversation: Conversation, condition: () => boolean): Promise<void> {
  if (condition()) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = conversation.onChange(() => {
      if (!condition()) return;
      stop();
      resolve();
    });
  });
}
const texts = (conversation: Conversation) => conversation.messages.map(({ text }) => text);

async function read(generation: Generation): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of generation) pieces.push(piece);
  return pieces;
}

describe('a conversation', () => {
  it('streams an answer and ends with both messages in the list', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    expect(conversation.generation).toBe(generation);
    expect(texts(conversation)).toEqual(['Hello']);
    const reading = read(generation);
    chat.pieces = ['Good ', 'morning', '.'];
    chat.delta(0, 1);
    chat.delta(1, 3);
    chat.finish();
    expect((await reading).join('')).toBe('Good morning.');
    const done = await generation.done;
    expect(done).toMatchObject({
      text: 'Good morning.',
      finishReason: 'stop',
      ledger: { seq: 1 },
      usage: { tokensOut: 3 },
    });
    expect(texts(conversation)).toEqual(['Hello', 'Good morning.']);
    expect(conversation.messages[1]).toMatchObject({ messageId: done.messageId, siblings: [done.messageId] });
    expect(conversation.generation).toBeUndefined();
    expect(conversation.revision).toBe(chat.revision);
  });

  it('takes deltas and the end that overtake the reply', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    chat.onOther = (connection, command) => {
      chat.begin({ ...connection, reply: () => {} } as never, command);
      chat.pieces = ['quick'];
      chat.delta(0);
      const asked = chat.describe();
      chat.finish();
      const { generationId, messageId, parentId } = asked;
      connection.reply(command.id, { messageId: parentId, generationId, replyMessageId: messageId, revision: 1 });
    };
    const generation = await conversation.send('Hello');
    expect((await generation.done).text).toBe('quick');
    expect(texts(conversation)).toEqual(['Hello', 'quick']);
  });

  it('gives the answer that was asked for, though it has ended and another device has begun the next one', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    chat.onOther = (connection, command) => {
      chat.begin(connection, command);
      chat.pieces = ['quick'];
      chat.delta(0);
      chat.finish();
      chat.answerNumber += 1;
      chat.pieces = [];
      chat.revision += 1;
      const next = message(450, { parentId: chat.messages.at(-1)?.messageId ?? null });
      chat.messages = [...chat.messages, next];
      connection.push('chat.message', { message: next, revision: chat.revision, generation: chat.describe() });
    };
    const generation = await conversation.send('Hello');
    expect((await generation.done).text).toBe('quick');
    expect(texts(conversation)).toEqual(['Hello', 'quick', 'message 450']);
    expect(conversation.generation?.generationId).toBe(chat.describe().generationId);
  });

  it('fails a send that is answered when it is detached already', async () => {
    const { client, server, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    chat.onOther = () => {};
    const sent = expect(conversation.send('Hello')).rejects.toMatchObject({ code: 'client.detached' });
    const { connection, command } = await server.command('chat.send');
    conversation.detach();
    chat.begin(connection, command);
    await sent;
  });

  it('goes on when a listener throws, and does not hide it', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const thrown: unknown[] = [];
    const queue = globalThis.queueMicrotask;
    vi.stubGlobal('queueMicrotask', (task: () => void) =>
      queue(() => {
        try {
          task();
        } catch (error) {
          thrown.push(error);
        }
      }),
    );
    onTestFinished(() => void vi.unstubAllGlobals());
    const bad = new Error('a listener');
    conversation.onChange(() => {
      throw bad;
    });
    const heard: string[] = [];
    conversation.onChange((change) => heard.push(change));
    const generation = await conversation.send('Hello');
    chat.pieces = ['Hi'];
    chat.delta(0);
    chat.finish();
    expect((await generation.done).text).toBe('Hi');
    expect(heard).toEqual(expect.arrayContaining(['messages', 'generation', 'text']));
    expect(thrown.length).toBeGreaterThan(0);
    expect(new Set(thrown)).toEqual(new Set([bad]));
  });

  it('keeps the clientMessageId of a send over a reconnect', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    chat.onOther = (connection, command) => {
      if (command.type !== 'chat.send') return;
      if (connection === server.connections[0]) connection.socket.terminate();
      else chat.begin(connection, command);
    };
    const generation = await conversation.send('Hello');
    const sent = await Promise.all([server.command('chat.send', 0), server.command('chat.send', 1)]);
    expect(sent[0].command.body).toEqual(sent[1].command.body);
    chat.pieces = ['Hi'];
    chat.delta(0);
    chat.finish();
    expect((await generation.done).text).toBe('Hi');
    expect(texts(conversation)).toEqual(['Hello', 'Hi']);
  });

  it('learns of an answer that ended while it was away', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    chat.pieces = ['One ', 'two ', 'three'];
    chat.delta(0, 1);
    await when(conversation, () => generation.text === 'One ');
    const reading = read(generation);
    chat.finish(false);
    server.connections[0]?.socket.terminate();
    expect(await generation.done).toMatchObject({
      text: 'One two three',
      finishReason: 'stop',
      usage: { tokensOut: 3 },
    });
    expect((await reading).join('')).toBe('One two three');
    expect(texts(conversation)).toEqual(['Hello', 'One two three']);
  });

  it('gets the rest and the end of an answer that ended while it was away, where the server still has them', async () => {
    const { server, client, chat } = await setUp();
    chat.resumesEnded = true;
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    chat.pieces = ['One ', 'two ', 'three'];
    chat.delta(0, 1);
    await when(conversation, () => generation.text === 'One ');
    chat.finish(false);
    server.connections[0]?.socket.terminate();
    expect(await generation.done).toMatchObject({ text: 'One two three', ledger: { seq: 1 } });
    expect(texts(conversation)).toEqual(['Hello', 'One two three']);
    expect(server.connections[1]?.commands.map(({ type }) => type)).toEqual(['chat.attach']);
  });

  it('resumes from where it was instead of asking for the whole text', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    chat.pieces = ['One ', 'two ', 'three'];
    chat.delta(0, 2);
    await when(conversation, () => generation.text === 'One two ');
    server.connections[0]?.socket.terminate();
    const { command } = await server.command('chat.attach', 1);
    expect(command.body['after']).toEqual({ generationId: generation.generationId, seq: 1, epoch: 1 });
    await when(conversation, () => generation.text === 'One two three');
  });

  it('attaches again for the whole text when its end does not fit', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    chat.pieces = ['One ', 'two'];
    chat.delta(0, 1);
    chat.finish();
    const done = await generation.done;
    expect(done).toMatchObject({ text: 'One two', ledger: { seq: 1 } });
    expect((await server.command('chat.attach', 1)).command.body['after']).toBeUndefined();
  });

  it('asks for the whole text at once when a piece is missing', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    chat.pieces = ['One ', 'two ', 'three'];
    chat.delta(0, 1);
    chat.delta(2, 3);
    expect((await server.command('chat.attach', 1)).command.body['after']).toBeUndefined();
    await when(conversation, () => generation.text === 'One two three');
  });

  it('shows the message of another device, and attaches again when it does not know its place', async () => {
    const { server, client, chat } = await setUp();
    chat.messages = [message(1)];
    const conversation = await client.conversation(conversationId);
    chat.connection.push('chat.message', { message: message(2, { parentId: id(1) }), revision: 1, generation: null });
    await when(conversation, () => conversation.messages.length === 2);
    expect(conversation.revision).toBe(1);
    chat.messages = [message(1), message(3, { parentId: id(1) }), message(4, { parentId: id(3) })];
    chat.revision = 2;
    chat.connection.push('chat.message', { message: message(4, { parentId: id(3) }), revision: 2, generation: null });
    await server.command('chat.attach', 1);
    await when(conversation, () => conversation.messages[1]?.messageId === id(3));
    expect(texts(conversation)).toEqual(['message 1', 'message 3', 'message 4']);
  });

  it('replaces the branch behind an edited message, and keeps the loaded beginning over a reconnect', async () => {
    const { server, client, chat } = await setUp();
    chat.messages = [message(3, { parentId: id(2) }), message(4, { parentId: id(3), role: 'ai' })];
    chat.nextBefore = id(3);
    const conversation = await client.conversation(conversationId);
    chat.onOther = (connection, command) => {
      if (command.type === 'chat.history') {
        connection.reply(command.id, { messages: [message(1), message(2, { parentId: id(1) })], nextBefore: null });
      }
      if (command.type !== 'chat.edit') return;
      chat.revision = 5;
      connection.reply(command.id, { messageId: id(5), generationId: id(500), replyMessageId: id(600), revision: 5 });
    };
    expect(conversation.hasOlder).toBe(true);
    expect(await conversation.loadOlder()).toBe(false);
    await conversation.edit(id(3), 'changed');
    expect(texts(conversation)).toEqual(['message 1', 'message 2', 'changed']);
    expect(conversation.messages[2]?.siblings).toEqual([id(3), id(5)]);
    chat.messages = [message(2, { parentId: id(1) }), message(5, { parentId: id(2), text: 'changed' })];
    chat.nextBefore = id(2);
    server.connections[0]?.socket.terminate();
    await server.command('chat.attach', 1);
    await when(conversation, () => conversation.messages.length === 3 && conversation.generation === undefined);
    expect(texts(conversation)).toEqual(['message 1', 'message 2', 'changed']);
    expect(conversation.hasOlder).toBe(false);
  });

  it('ends what runs when it is detached, deleted or the client is closed', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    const reading = read(generation);
    conversation.detach();
    await expect(generation.done).rejects.toMatchObject({ code: 'client.detached' });
    await expect(reading).rejects.toMatchObject({ code: 'client.detached' });
    chat.running = false;
    const again = await client.conversation(conversationId);
    expect(again).not.toBe(conversation);
    const removed = when(again, () => again.detached);
    chat.connection.push('chat.conversation_deleted', { conversationId });
    await removed;
    await expect(again.send('Hello')).rejects.toMatchObject({ code: 'chat.conversation_not_found' });
  });

  it('stops an answer that is just going from one server to another as soon as somebody has it', async () => {
    const { client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    const generation = await conversation.send('Hello');
    const answers = [false, false, true];
    chat.onOther = (connection, { id: commandId, type }) => {
      expect(type).toBe('chat.stop');
      if (answers.shift()) connection.reply(commandId, { stopped: true });
      else connection.fail(commandId, 'busy', { retryAfterMs: 1 });
    };
    expect(await generation.stop()).toBe(true);
    expect(answers).toEqual([]);
    generation.done.catch(() => {});
  });

  it('that does not exist is refused, and may be asked for again', async () => {
    const { server, client } = await setUp();
    server.onCommand = (connection, command) => connection.fail(command.id, 'chat.conversation_not_found');
    await expect(client.conversation(conversationId)).rejects.toMatchObject({ code: 'chat.conversation_not_found' });
    new ScriptedChat(server);
    await expect(client.conversation(conversationId)).resolves.toMatchObject({ messages: [] });
  });
});

type Step =
  | { do: 'grow'; count: number }
  | { do: 'deliver' | 'snapshot' | 'cut' | 'cutUntold' | 'takeover' | 'skip' }
  | { do: 'repeat'; from: number; to: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('grow' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.constant({ do: 'deliver' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const), from: fc.nat(20), to: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'snapshot' as const,
        'cut' as const,
        'cutUntold' as const,
        'takeover' as const,
        'skip' as const,
      ),
    }),
  },
);
/** Pieces as models give them: halves of surrogate pairs may even come apart. */
const piece = fc.constantFrom('糸', 'を', ' and ', 'spin', '🧵', '\ud83e', '\uddf5', 'é', '\n');

describe('the text', () => {
  it('is the same after any schedule of merges, repetitions, holes, cuts, resumes and takeovers', async () => {
    const { server, client, chat } = await setUp();
    const conversation = await client.conversation(conversationId);
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 20 }),
        fc.array(step, { maxLength: 14 }),
        async (all, steps) => {
          chat.answerNumber += 1;
          chat.epoch = 1;
          chat.messages = [];
          const generation = await conversation.send('Go', { parentId: null });
          const reading = read(generation);
          let delivered = 0;
          for (const one of steps) {
            if (one.do === 'grow') chat.pieces = all.slice(0, chat.pieces.length + one.count);
            else if (one.do === 'repeat')
              chat.delta(Math.min(one.from, delivered), Math.min(one.to, chat.pieces.length));
            else if (one.do === 'snapshot') chat.snapshot();
            else if (one.do === 'takeover') chat.epoch += 1;
            else if (one.do === 'skip') chat.delta(Math.min(delivered + 1, chat.pieces.length));
            else if (one.do === 'deliver') chat.delta(delivered);
            else {
              chat.resumes = one.do === 'cut';
              const before = server.connections.length;
              chat.connection.socket.terminate();
              await (await server.connection(before)).socket.url;
              await server.until(() => chat.connection.commands.some(({ type }) => type === 'chat.attach'));
            }
            delivered =
              one.do === 'repeat' || one.do === 'grow' || one.do === 'takeover' ? delivered : chat.pieces.length;
          }
          chat.pieces = all;
          chat.delta(Math.min(delivered, all.length));
          chat.finish();
          const done = await generation.done;
          const pieces = await reading;
          expect(done.text).toBe(all.join(''));
          expect(generation.text).toBe(all.join(''));
          expect(pieces.join('')).toBe(all.join(''));
          expect(pieces.filter((text) => text.isWellFormed() !== true)).toEqual(
            all.join('').isWellFormed() ? [] : expect.anything(),
          );
        },
      ),
      { numRuns: 120 },
    );
  });
});
