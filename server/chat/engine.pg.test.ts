import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

let bench: Bench;
let engine: TestEngine;
let userId: string;
let avatarId: string;
let reader: Reader;
let conversationId: string;

beforeAll(async () => {
  bench = await startBench();
  engine = new TestEngine(bench, 'engine-test', { maxOutputTokens: LONG_ANSWER });
});
afterAll(() => bench.close());
beforeEach(async () => {
  userId = await bench.newUser();
  avatarId = await bench.newAvatar(userId);
  reader = engine.connect(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
});

const send = (text: string, over: object = {}) =>
  engine.turns.send(reader.caller, { conversationId, clientMessageId: uuidv7(), text, ...over });
const ask = async (text: string) => {
  const started = await send(text);
  return { ...started, done: await reader.done(started.generationId) };
};
const history = () => engine.chat.history(reader.caller, { conversationId });

describe('a turn', () => {
  it('streams, stores, settles and enters the ledger; then says so (000-R10, 000-R13, 000-R14)', async () => {
    const { messageId, replyMessageId, generationId, done } = await ask('Hello, I lost my umbrella today.');
    const { messages } = await history();
    expect(messages.map((message) => [message.messageId, message.role])).toEqual([
      [messageId, 'user'],
      [replyMessageId, 'ai'],
    ]);
    const answer = messages[1];
    expect(answer?.text).toBe(reader.texts.get(generationId));
    expect(answer?.text.length).toBe(done.length);
    expect(answer).toMatchObject({ generationId, finishReason: 'stop', usage: done.usage, parentId: messageId });
    expect(done.usage.tokensOut).toBeGreaterThan(0);
    const [entry] = await bench.db.asService(
      (tx) =>
        tx.sql`select seq::int, encode(hash, 'hex') as hash, token_amount::int from billing.token_ledger where generation_id = ${generationId}`,
    );
    expect(entry).toEqual({
      seq: done.ledger?.seq,
      hash: done.ledger?.hash,
      token_amount: done.usage.tokensIn + done.usage.tokensOut,
    });
    const { balance } = await reader.next('billing.balance');
    expect(balance).toBe(100_000 - done.usage.tokensIn - done.usage.tokensOut);
    expect(engine.remembered.at(-1)).toMatchObject({ userId, text: 'Hello, I lost my umbrella today.' });
  });

  it('has every piece in the live log before a reader has it, in order and without gaps', async () => {
    const started = await send('Tell me about the sea.');
    const first = await reader.next('chat.delta', (body) => body.generationId === started.generationId);
    const logged = await bench.live.readLog(started.generationId, -1);
    expect(
      logged
        .map((piece) => piece.text)
        .join('')
        .startsWith(first.text),
    ).toBe(true);
    await reader.done(started.generationId);
    const deltas = reader.pushes.flatMap((push) =>
      push.type === 'chat.delta' && push.body.generationId === started.generationId ? [push.body] : [],
    );
    expect(deltas.map((delta) => delta.seq)).toEqual(deltas.map((_, index) => index));
  });

  it('starts one answer for the same command, however often and from wherever it comes', async () => {
    const second = engine.connect(userId);
    const body = { conversationId, clientMessageId: 'once', text: 'Only once, please.' };
    const starts = await Promise.all([reader, second, reader].map((from) => engine.turns.send(from.caller, body)));
    expect(new Set(starts.map((started) => started.generationId)).size).toBe(1);
    await reader.done(starts[0]?.generationId ?? '');
    expect((await engine.turns.send(reader.caller, body)).generationId).toBe(starts[0]?.generationId);
    expect((await history()).messages).toHaveLength(2);
    await expect(engine.turns.send(reader.caller, { ...body, text: 'Something else.' })).rejects.toMatchObject({
      code: 'chat.client_message_conflict',
    });
  });

  it('refuses a second answer while one is being written, and says which', async () => {
    const { generationId } = await send(`${longAnswer} First.`);
    await expect(send('Second.')).rejects.toMatchObject({ code: 'chat.generation_running', details: { generationId } });
    await engine.chat.stop(reader.caller, generationId);
    await reader.done(generationId);
    expect((await ask('Third.')).done.finishReason).toBe('stop');
  });

  it('limits the answers of one user at a time', async () => {
    const started = [];
    for (let i = 0; i < 3; i++) {
      const other = await bench.newAvatar(userId);
      const { conversationId: id } = await engine.chat.open(reader.caller, { avatarId: other, kind: 'conversation' });
      started.push(
        await engine.turns.send(reader.caller, {
          conversationId: id,
          clientMessageId: 'x',
          text: `${longAnswer} A long story, please.`,
        }),
      );
    }
    await expect(send('One more.')).rejects.toMatchObject({ code: 'chat.too_many_generations', details: { limit: 3 } });
    for (const { generationId } of started) await engine.chat.stop(reader.caller, generationId);
    for (const { generationId } of started) await reader.done(generationId);
  });

  it('limits them too when all are asked for at once', async () => {
    const places = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const other = await bench.newAvatar(userId);
        return engine.chat.open(reader.caller, { avatarId: other, kind: 'conversation' });
      }),
    );
    const text = `${longAnswer} A long story, please.`;
    const sent = await Promise.allSettled(
      places.map(({ conversationId: id }) =>
        engine.turns.send(reader.caller, { conversationId: id, clientMessageId: 'x', text }),
      ),
    );
    const refused = sent.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    expect(refused).toEqual(Array(3).fill(expect.objectContaining({ code: 'chat.too_many_generations' })));
    for (const one of sent) {
      if (one.status === 'rejected') continue;
      await engine.chat.stop(reader.caller, one.value.generationId);
      await reader.done(one.value.generationId);
    }
    // Who was refused lost no place by it.
    expect((await ask('And now?')).done.finishReason).toBe('stop');
  });

  it.each([
    ['only white space', '  \n\t '],
    ['U+0000', 'a\0b'],
    ['half a surrogate pair', 'a\ud800'],
  ])('refuses %s and stores nothing', async (_what, text) => {
    await expect(send(text)).rejects.toMatchObject({ code: 'protocol.invalid_body', details: { field: 'text' } });
    expect((await history()).messages).toEqual([]);
  });

  it('refuses to write into conversations of others, as if they were not there', async () => {
    const stranger = engine.connect(await bench.newUser());
    const notFound = { code: 'chat.conversation_not_found' };
    const body = { conversationId, clientMessageId: 'x', text: 'Hi.' };
    await expect(engine.turns.send(stranger.caller, body)).rejects.toMatchObject(notFound);
    await expect(engine.chat.attach(stranger.caller, { conversationId })).rejects.toMatchObject(notFound);
    await expect(engine.chat.history(stranger.caller, { conversationId })).rejects.toMatchObject(notFound);
    await expect(engine.chat.delete(stranger.caller, conversationId)).rejects.toMatchObject(notFound);
    const { generationId, messageId } = await send('Mine.');
    await expect(engine.chat.stop(stranger.caller, generationId)).rejects.toMatchObject({
      code: 'chat.generation_not_found',
    });
    await expect(engine.traces.read(stranger.caller, generationId)).rejects.toMatchObject({
      code: 'chat.generation_not_found',
    });
    await expect(engine.turns.edit(stranger.caller, { messageId, text: 'Hers.' })).rejects.toMatchObject({
      code: 'chat.message_not_found',
    });
    await reader.done(generationId);
  });

  it('refuses without tokens left, before anything is stored', async () => {
    await bench.db.asService(
      (tx) =>
        tx.sql`update billing.account_balances set balance = 0 where account_id = (select id from billing.accounts where owner_id = ${userId})`,
    );
    await expect(send('Anyone?')).rejects.toMatchObject({ code: 'billing.insufficient_tokens' });
    expect((await history()).messages).toEqual([]);
  });
});

describe('failures of the model', () => {
  it('keeps what came before the stream broke, and charges it', async () => {
    const { done, generationId } = await ask('[[fault drop:4]] Tell me something.');
    expect(done).toMatchObject({ finishReason: 'error', error: { code: 'llm.broken_stream' } });
    expect(reader.texts.get(generationId)).not.toBe('');
    expect((await history()).messages.at(-1)).toMatchObject({
      role: 'ai',
      finishReason: 'error',
      text: reader.texts.get(generationId),
    });
    expect(done.ledger).not.toBeNull();
  });

  it('charges nothing for a failure before the first token, and lets the user try again', async () => {
    const { done, messageId } = await ask('[[fault error:500]] Hello?');
    expect(done).toMatchObject({
      finishReason: 'error',
      messageId: null,
      ledger: null,
      usage: { tokensIn: 0, tokensOut: 0 },
      error: { code: 'llm.unavailable' },
    });
    expect((await history()).messages.map((message) => message.role)).toEqual(['user']);
    const again = await engine.turns.regenerate(reader.caller, { messageId });
    expect(await reader.done(again.generationId)).toMatchObject({ finishReason: 'error' });
  });

  it('retries a refusal that passes, unseen by the user', async () => {
    expect((await ask('[[fault error-once:503]] Hello?')).done.finishReason).toBe('stop');
  });
});

describe('stop', () => {
  it('keeps the partial text, settles what was used, and is idempotent from any device', async () => {
    const second = engine.connect(userId);
    const { generationId } = await send(`${longAnswer} Tell me a very long story.`);
    await reader.next('chat.delta', (body) => body.generationId === generationId);
    const outcomes = await Promise.all([
      engine.chat.stop(second.caller, generationId),
      engine.chat.stop(reader.caller, generationId),
    ]);
    expect(outcomes.map((outcome) => outcome.stopped).toSorted()).toEqual([false, true]);
    const done = await second.done(generationId);
    expect(done).toMatchObject({ finishReason: 'stopped' });
    expect(done.ledger).not.toBeNull();
    expect((await history()).messages.at(-1)).toMatchObject({
      text: reader.texts.get(generationId),
      finishReason: 'stopped',
    });
    expect(await engine.chat.stop(reader.caller, generationId)).toEqual({ stopped: false });
  });
});

describe('the tree', () => {
  it('writes another answer beside the first and selects between them', async () => {
    const first = await ask('What shall I cook?');
    const { revision } = first.done;
    const started = await engine.turns.regenerate(reader.caller, {
      messageId: first.replyMessageId,
      expectedRevision: revision,
    });
    const done = await reader.done(started.generationId);
    const [, answer] = (await history()).messages;
    expect(answer).toMatchObject({
      messageId: started.replyMessageId,
      siblings: [first.replyMessageId, started.replyMessageId],
    });
    const selected = await engine.chat.select(reader.caller, {
      messageId: first.replyMessageId,
      expectedRevision: done.revision,
    });
    expect(selected.messages.at(-1)?.messageId).toBe(first.replyMessageId);
    await expect(
      engine.chat.select(reader.caller, { messageId: started.replyMessageId, expectedRevision: done.revision }),
    ).rejects.toMatchObject({
      code: 'chat.revision_conflict',
      details: { revision: selected.revision },
    });
  });

  it('edits into a new branch, and goes back down to the newest end of the old one', async () => {
    const one = await ask('My name is Ada.');
    const two = await ask('What is my name?');
    const edited = await engine.turns.edit(reader.caller, { messageId: one.messageId, text: 'My name is Grace.' });
    await reader.done(edited.generationId);
    expect((await history()).messages.map((message) => message.messageId)).toEqual([
      edited.messageId,
      edited.replyMessageId,
    ]);
    expect((await history()).messages[0]?.siblings).toEqual([one.messageId, edited.messageId]);
    const back = await engine.chat.select(reader.caller, { messageId: one.messageId });
    expect(back.messages.at(-1)?.messageId).toBe(two.replyMessageId);
    await expect(engine.turns.edit(reader.caller, { messageId: one.replyMessageId, text: 'x' })).rejects.toMatchObject({
      code: 'chat.wrong_role',
    });
  });

  it('pages through a branch without a gap', async () => {
    for (let i = 0; i < 4; i++) await ask(`Message ${i}`);
    const all = (await history()).messages.map((message) => message.messageId);
    expect(all).toHaveLength(8);
    const paged: string[] = [];
    let before: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof history>> = await engine.chat.history(reader.caller, {
        conversationId,
        before,
        limit: 3,
      });
      paged.unshift(...page.messages.map((message) => message.messageId));
      before = page.nextBefore;
    } while (before !== null);
    expect(paged).toEqual(all);
  });

  it('lists conversations by last use, page by page, and forgets deleted ones', async () => {
    await ask('First conversation.');
    const second = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
    const started = await engine.turns.send(reader.caller, {
      conversationId: second.conversationId,
      clientMessageId: 'x',
      text: 'Second conversation.',
    });
    await reader.done(started.generationId);
    const page = await engine.chat.list(reader.caller, { limit: 1 });
    expect(page.conversations).toMatchObject([
      { conversationId: second.conversationId, title: 'Second conversation.' },
    ]);
    const next = await engine.chat.list(reader.caller, { limit: 1, before: page.nextBefore ?? '' });
    expect(next).toMatchObject({ conversations: [{ conversationId }], nextBefore: null });
    await engine.chat.delete(reader.caller, conversationId);
    expect(engine.forgotten).toContain(conversationId);
    expect((await engine.chat.list(reader.caller, {})).conversations).toHaveLength(1);
    for (const before of ["1'; drop table", `253402300800000.${conversationId}`])
      await expect(engine.chat.list(reader.caller, { before })).rejects.toMatchObject({
        code: 'protocol.invalid_body',
      });
    const last = { before: `253402300799999.${conversationId}` };
    expect((await engine.chat.list(reader.caller, last)).conversations).toHaveLength(1);
  });

  it('uses an empty conversation again instead of littering', async () => {
    const again = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' });
    expect(again.conversationId).toBe(conversationId);
    await expect(engine.chat.open(reader.caller, { avatarId, kind: 'diary' })).rejects.toMatchObject({
      code: 'chat.kind_unavailable',
    });
    await expect(engine.chat.open(reader.caller, { avatarId: uuidv7(), kind: 'conversation' })).rejects.toMatchObject({
      code: 'companion.avatar_not_found',
    });
  });
});

describe('the trace', () => {
  it('says what went in and why, with tokens and sources', async () => {
    const memoryId = uuidv7();
    engine.memories = [{ memoryId, text: 'The user has a cat named Comma.', score: 0.71, source: {} }];
    const { generationId, messageId } = await ask('How is my cat?');
    engine.memories = [];
    const trace = await engine.traces.read(reader.caller, generationId);
    expect(trace.parts.map((part) => part.part)).toEqual(['system', 'memory', 'turn']);
    expect(trace.parts[0]).toMatchObject({ text: 'You are Wren, warm and dry.', source: { avatarPromptVersion: 1 } });
    expect(trace.parts[1]).toMatchObject({ source: { memoryId, score: 0.71 } });
    expect(trace.parts[2]).toMatchObject({ text: 'How is my cat?', source: { messageId } });
    expect(trace.parts.every((part) => part.tokens > 0)).toBe(true);
  });

  it('is gone with its conversation', async () => {
    const { generationId } = await ask('Forget this, please.');
    await engine.chat.delete(reader.caller, conversationId);
    await expect(engine.traces.read(reader.caller, generationId)).rejects.toMatchObject({
      code: 'chat.generation_not_found',
    });
  });

  it('withholds the prompt of somebody else’s avatar', async () => {
    await bench.companion.publishAvatar(reader.caller, { avatarId, visibility: 'published' });
    const visitor = engine.connect(await bench.newUser());
    const opened = await engine.chat.open(visitor.caller, { avatarId, kind: 'conversation' });
    const started = await engine.turns.send(visitor.caller, {
      conversationId: opened.conversationId,
      clientMessageId: 'x',
      text: 'Hello.',
    });
    await visitor.done(started.generationId);
    const trace = await engine.traces.read(visitor.caller, started.generationId);
    expect(trace.parts[0]).toMatchObject({ part: 'system', text: '' });
    expect(trace.parts[0]?.tokens).toBeGreaterThan(0);
  });
});
