/** What happens to running answers when the live store is Redis, and Redis goes away or loses what it had. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestRedis } from '../../db/testing/redis.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './testing/engine.ts';
import type { Reader } from './testing/reader.ts';

/** Gateways look after each other every few milliseconds; a lease lives as long as ever. */
const hasty: Clock = { ...systemClock, after: (ms, task) => systemClock.after(ms / 20, task) };

let bench: Bench;
let redis: TestRedis;
let east: TestEngine;
let west: TestEngine;
let phone: Reader;
let desk: Reader;
let conversationId: string;

beforeAll(async () => {
  bench = await startBench({ tokensPerSecond: 100, live: 'redis' });
  if (bench.redis === undefined) throw new Error('Asked for.');
  redis = bench.redis;
});
afterAll(() => bench.close());
beforeEach(async () => {
  east = new TestEngine(bench, `east-${uuidv7()}`, { maxOutputTokens: LONG_ANSWER }, hasty);
  west = new TestEngine(bench, `west-${uuidv7()}`, {}, hasty);
  await Promise.all([east.engine.start(), west.engine.start()]);
  const userId = await bench.newUser();
  phone = east.connect(userId);
  desk = west.connect(userId);
  const avatarId = await bench.newAvatar(userId);
  ({ conversationId } = await east.chat.open(phone.caller, { avatarId, kind: 'conversation' }));
  await west.engine.news.ready(userId);
  return async () => {
    await Promise.all([east.engine.stop(), west.engine.stop()]);
  };
});

/** An answer that both devices read, a few pieces in. */
async function begin(text: string): Promise<string> {
  const { generationId } = await east.turns.send(phone.caller, { conversationId, clientMessageId: uuidv7(), text });
  await phone.next('chat.delta', (body) => body.seq >= 2);
  const { generation } = await west.chat.attach(desk.caller, { conversationId });
  desk.texts.set(generationId, generation?.text ?? '');
  return generationId;
}
const lastMessage = async () => (await east.chat.history(phone.caller, { conversationId })).messages.at(-1);
const charges = (generationId: string) =>
  bench.db.asService((tx) => tx.sql`select 1 from billing.token_ledger where generation_id = ${generationId}`);
const logged = async (generationId: string) =>
  (await bench.live.readLog(generationId, -1)).map(({ text }) => text).join('');

describe('Redis stopped and started while answers stream', () => {
  it('holds back what is not stored, and then loses nothing and repeats nothing', async () => {
    const generationId = await begin(
      '[[fault huge:300]] Tell me of the sea and the wind, and of everybody who lives there.',
    );
    await redis.kill();
    await east.counted('log failed');
    const shown = phone.texts.get(generationId);
    await east.counted('log failed');
    expect(phone.texts.get(generationId)).toBe(shown);
    await redis.restart();
    await Promise.all([phone.done(generationId), desk.done(generationId)]);
    const message = await lastMessage();
    expect(message).toMatchObject({ generationId, finishReason: 'stop' });
    expect(message?.text.length).toBeGreaterThan(shown?.length ?? 0);
    expect([phone, desk].map((reader) => reader.texts.get(generationId))).toEqual([message?.text, message?.text]);
    expect(await charges(generationId)).toHaveLength(1);
    // News of other commands arrive again as well.
    const heard = desk.next('chat.message', ({ message: { text } }) => text === 'And now?');
    const body = { conversationId, clientMessageId: uuidv7(), text: 'And now?' };
    const next = await east.turns.send(phone.caller, body);
    expect((await heard).message.messageId).toBe(next.messageId);
    await phone.done(next.generationId);
  });
});

describe('Redis stopped and started while others read elsewhere', () => {
  it('tells readers elsewhere how the conversation stands, so that what they missed is there at once', async () => {
    await west.chat.attach(desk.caller, { conversationId });
    await redis.kill();
    const body = { conversationId, clientMessageId: uuidv7(), text: `${longAnswer} Unheard so far.` };
    const { generationId, messageId, revision } = await east.turns.send(phone.caller, body);
    const missed = west.counted('news missed');
    await redis.restart();
    await missed;
    expect(await desk.next('chat.selected')).toEqual({ conversationId, revision });
    const { messages, generation } = await west.chat.attach(desk.caller, { conversationId });
    expect(messages.at(-1)?.messageId).toBe(messageId);
    expect(generation?.generationId).toBe(generationId);
    desk.texts.set(generationId, generation?.text ?? '');
    await desk.next('chat.delta', (piece) => piece.generationId === generationId);
    await east.chat.stop(phone.caller, generationId);
    await desk.done(generationId);
    expect(desk.texts.get(generationId)).toBe((await lastMessage())?.text);
  });

  it('tells them too that it was deleted', async () => {
    await west.chat.attach(desk.caller, { conversationId });
    await redis.kill();
    await east.chat.delete(phone.caller, conversationId);
    await redis.restart();
    expect(await desk.next('chat.conversation_deleted')).toEqual({ conversationId });
  });
});

describe('Redis losing its data while answers stream', () => {
  it('gets the text again from whoever writes it, so that an heir has all that was shown', async () => {
    const generationId = await begin(`${longAnswer} Tell me of the mountains.`);
    const restored = east.counted('log restored');
    await redis.loseData();
    await restored;
    const shown = phone.texts.get(generationId) ?? '';
    expect((await logged(generationId)).startsWith(shown)).toBe(true);

    await east.recovery.stop();
    await east.endLease();
    await desk.next('chat.snapshot', ({ generation }) => generation.epoch === 2);
    await desk.done(generationId);
    const message = await lastMessage();
    expect(message).toMatchObject({ generationId, finishReason: 'interrupted' });
    expect(message?.text.startsWith(shown)).toBe(true);
    expect(desk.texts.get(generationId)).toBe(message?.text);
  });

  it('makes no living gateway look dead', async () => {
    const generationId = await begin('[[fault huge:300]] Tell me of the rivers, at length, please.');
    const noticed = Promise.all([east.counted('lease lost'), west.counted('lease lost')]);
    await redis.loseData();
    await noticed;
    await Promise.all([phone.done(generationId), desk.done(generationId)]);
    expect(await lastMessage()).toMatchObject({ generationId, finishReason: 'stop' });
    const pushes = [...phone.pushes, ...desk.pushes];
    expect(pushes.filter(({ type }) => type === 'chat.snapshot')).toEqual([]);
    expect(desk.texts.get(generationId)).toBe(phone.texts.get(generationId));
  });

  it('is noticed even while the model says nothing', async () => {
    const generationId = await begin('[[fault stall:12]] Tell me of the lakes.');
    await phone.next('chat.delta', ({ offset, text }) => offset + text.length >= 20);
    const restored = east.counted('log restored');
    await redis.loseData();
    await restored;
    const shown = phone.texts.get(generationId) ?? '';
    expect((await logged(generationId)).startsWith(shown)).toBe(true);
    await east.chat.stop(phone.caller, generationId);
    expect((await desk.done(generationId)).finishReason).toBe('stopped');
    expect(desk.texts.get(generationId)).toBe((await lastMessage())?.text);
  });
});
