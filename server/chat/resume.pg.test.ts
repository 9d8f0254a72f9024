import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../db/uuid.ts';
import { type Bench, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

/** Tokens of an answer that runs for as long as a test wants it to, on the slowest machine. */
const LONG = 3_000;

let bench: Bench;
let engine: TestEngine;
let userId: string;
let reader: Reader;
let conversationId: string;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 200 });
  engine = new TestEngine(bench, 'resume-test', { maxOutputTokens: LONG });
});
afterAll(() => bench.close());
beforeEach(async () => {
  userId = await bench.newUser();
  reader = engine.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  ({ conversationId } = await engine.chat.open(reader.caller, { avatarId, kind: 'conversation' }));
});

const send = (text: string, from = reader) =>
  engine.turns.send(from.caller, { conversationId, clientMessageId: uuidv7(), text });
const sendForLong = (text: string) => send(`[[fault huge:${LONG}]] ${text}`);
const finalText = async () => (await engine.chat.history(reader.caller, { conversationId })).messages.at(-1)?.text;

describe('a generation outlives its reader', () => {
  it('goes on when the socket that asked is gone, and is there afterwards', async () => {
    const { generationId } = await send('Tell me about lighthouses.');
    const other = engine.connect(userId);
    reader.close();
    const done = await other.done(generationId);
    expect(done.finishReason).toBe('stop');
    const attached = await engine.chat.attach(other.caller, { conversationId });
    expect(attached.messages.at(-1)?.text.length).toBe(done.length);
  });

  it('gives a second device the text so far and then exactly the rest', async () => {
    const { generationId } = await sendForLong('Tell me about the harbour.');
    await reader.next('chat.delta');
    const second = engine.connect(userId);
    const { generation, resumed, messages } = await engine.chat.attach(second.caller, { conversationId });
    expect(resumed).toBe(false);
    expect(messages.map((message) => message.role)).toEqual(['user']);
    expect(generation?.generationId).toBe(generationId);
    second.texts.set(generationId, generation?.text ?? '');
    await second.next('chat.delta');
    await engine.chat.stop(second.caller, generationId);
    await second.done(generationId);
    expect(second.texts.get(generationId)).toBe(reader.texts.get(generationId));
    expect(await finalText()).toBe(reader.texts.get(generationId));
  });

  it('continues exactly behind `after`, again and again', async () => {
    const { generationId } = await sendForLong('Tell me about trains at night.');
    let text = '';
    let seq = -1;
    for (let cut = 0; cut < 4; cut++) {
      const device = engine.connect(userId);
      device.texts.set(generationId, text);
      const reply = await engine.chat.attach(device.caller, { conversationId, after: { generationId, seq } });
      expect(reply.resumed).toBe(true);
      const piece = await device.next('chat.delta');
      text = device.texts.get(generationId) ?? '';
      seq = piece.seq;
      device.close();
    }
    const last = engine.connect(userId);
    last.texts.set(generationId, text);
    await engine.chat.attach(last.caller, { conversationId, after: { generationId, seq } });
    await engine.chat.stop(last.caller, generationId);
    await last.done(generationId);
    expect(last.texts.get(generationId)).toBe(reader.texts.get(generationId));
  });

  it('continues behind `after` for a moment even when the answer has ended', async () => {
    const { generationId } = await send('Short, please.');
    const done = await reader.done(generationId);
    const late = engine.connect(userId);
    const { resumed, generation } = await engine.chat.attach(late.caller, {
      conversationId,
      after: { generationId, seq: -1 },
    });
    expect([resumed, generation]).toEqual([true, null]);
    expect(await late.done(generationId)).toEqual(done);
    expect(late.texts.get(generationId)).toBe(reader.texts.get(generationId));
  });

  it('keeps of an answer that has ended nothing but what can be resumed', async () => {
    const { generationId } = await send('Briefly, please.');
    await reader.done(generationId);
    const kept = engine.hub.findFinished(generationId)?.generation;
    expect(kept?.text).toBe(await finalText());
    // The request, whose prompt is larger than any answer, and the buffers of the model's connection.
    expect(kept?.handle).toBeUndefined();
  });

  it('does not resume an answer of another user through a conversation of one’s own', async () => {
    const { generationId } = await send('A secret, please.');
    await reader.done(generationId);
    const thiefId = await bench.newUser();
    const thief = engine.connect(thiefId);
    const avatarId = await bench.newAvatar(thiefId);
    const own = await engine.chat.open(thief.caller, { avatarId, kind: 'conversation' });
    const reply = await engine.chat.attach(thief.caller, {
      conversationId: own.conversationId,
      after: { generationId, seq: -1 },
    });
    expect(reply).toMatchObject({ resumed: false, generation: null });
    // Everything of this conversation comes to the thief in order: an answer of their own is the first that they see.
    const started = await engine.turns.send(thief.caller, {
      conversationId: own.conversationId,
      clientMessageId: 'x',
      text: 'Hello.',
    });
    await thief.done(started.generationId);
    expect([...thief.texts.keys()]).toEqual([started.generationId]);
  });

  it('answers a place that cannot be, or an old epoch, with the whole text', async () => {
    const { generationId } = await sendForLong('Tell me about rivers.');
    await reader.next('chat.delta');
    for (const after of [
      { generationId, seq: 9_999 },
      { generationId, seq: 0, epoch: 7 },
      { generationId: uuidv7(), seq: 0 },
    ]) {
      const device = engine.connect(userId);
      const { resumed, generation } = await engine.chat.attach(device.caller, { conversationId, after });
      expect(resumed).toBe(false);
      expect(generation?.text).not.toBe('');
      device.close();
    }
    await engine.chat.stop(reader.caller, generationId);
    await reader.done(generationId);
  });

  it('gives a slow reader one merged piece and no hole', async () => {
    const { generationId } = await send('Tell me about winds.');
    await reader.next('chat.delta');
    reader.paused = true;
    await reader.done(generationId);
    expect(reader.texts.get(generationId)).toBe(await finalText());
  });

  it('shows other devices what was said and done at once', async () => {
    const second = engine.connect(userId);
    const { generationId, messageId } = await send('Hello from the phone.');
    const { message, generation } = await second.next('chat.message');
    expect(message).toMatchObject({ messageId, text: 'Hello from the phone.' });
    expect(generation?.generationId).toBe(generationId);
    await second.done(generationId);
    await engine.chat.delete(reader.caller, conversationId);
    expect(await second.next('chat.conversation_deleted')).toEqual({ conversationId });
  });
});

describe('what a dead gateway leaves', () => {
  it('is closed with the text that was shown, settled once, and its late writes are refused', async () => {
    const dead = new TestEngine(bench, `dead-${uuidv7()}`, { maxOutputTokens: LONG });
    const witness = dead.connect(userId);
    const started = await dead.turns.send(witness.caller, {
      conversationId,
      clientMessageId: 'x',
      text: '[[fault huge:3000]] A long one.',
    });
    const { generationId } = started;
    await witness.next('chat.delta', (body) => body.seq >= 2);
    const shown = witness.texts.get(generationId) ?? '';

    await dead.endLease();
    expect(await engine.recovery.closeLeftovers()).toBe(1);
    const done = await reader.done(generationId);
    expect(done).toMatchObject({ finishReason: 'interrupted' });
    const text = (await finalText()) ?? '';
    expect(text.startsWith(shown)).toBe(true);

    // The old owner still writes, and is refused: nobody sees more of its text, and there is no second settlement.
    const before = (await bench.live.readLog(generationId, -1)).length;
    const { refused } = await bench.live.appendLog([
      { generationId, epoch: 1, seq: before, offset: text.length, text: 'late' },
    ]);
    expect(refused).toEqual([generationId]);
    await dead.hub.interruptAll();
    await dead.settler.idle();
    const entries = await bench.db.asService(
      (tx) => tx.sql`select 1 from billing.token_ledger where generation_id = ${generationId}`,
    );
    expect(entries).toHaveLength(1);
    expect(await finalText()).toBe(text);
  });

  it('is left alone while its lease lives', async () => {
    const alive = new TestEngine(bench, `alive-${uuidv7()}`);
    await alive.recovery.start();
    const asker = alive.connect(userId);
    const { generationId } = await alive.turns.send(asker.caller, {
      conversationId,
      clientMessageId: 'x',
      text: 'Hello?',
    });
    expect(await engine.recovery.closeLeftovers()).toBe(0);
    expect((await asker.done(generationId)).finishReason).toBe('stop');
    await alive.recovery.stop();
  });
});
