/** What two gateways owe a user who is connected to both. Run over each live store. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Push } from '../../../protocol/down.ts';
import { ManualClock } from '../../clock.ts';
import { type Bench, LONG_ANSWER, longAnswer, startBench, TestEngine } from './engine.ts';
import type { Reader } from './reader.ts';

export function gatewaysContract(live: 'postgres' | 'redis'): void {
  let bench: Bench;
  let east: TestEngine;
  let west: TestEngine;
  let phone: Reader;
  let desk: Reader;
  let userId: string;
  let conversationId: string;

  beforeAll(async () => {
    bench = await startBench({ tokensPerSecond: 150, live });
    east = new TestEngine(bench, 'east', { maxOutputTokens: LONG_ANSWER });
    west = new TestEngine(bench, 'west', { maxOutputTokens: LONG_ANSWER });
    await Promise.all([east.engine.start(), west.engine.start()]);
  });
  afterAll(async () => {
    await Promise.all([east.engine.stop(), west.engine.stop()]);
    await bench.close();
  });
  beforeEach(async () => {
    userId = await bench.newUser();
    phone = east.connect(userId);
    desk = west.connect(userId);
    const avatarId = await bench.newAvatar(userId);
    ({ conversationId } = await east.chat.open(phone.caller, { avatarId, kind: 'conversation' }));
    await west.engine.news.ready(userId);
  });

  const send = (text: string, engine = east, from = phone) =>
    engine.turns.send(from.caller, { conversationId, clientMessageId: uuidv7(), text });
  const attach = async (engine: TestEngine, reader: Reader, after?: { generationId: string; seq: number }) => {
    const reply = await engine.chat.attach(reader.caller, {
      conversationId,
      ...(after === undefined ? {} : { after }),
    });
    if (reply.generation !== null && !reply.resumed)
      reader.texts.set(reply.generation.generationId, reply.generation.text);
    return reply;
  };
  const finalText = async () => (await east.chat.history(phone.caller, { conversationId })).messages.at(-1)?.text;

  describe('two gateways', () => {
    it('show on one what is said on the other, at once', async () => {
      const { generationId, messageId } = await send('Hello from the phone.');
      expect((await desk.next('chat.message')).message.messageId).toBe(messageId);
      expect(await desk.done(generationId)).toEqual(await phone.done(generationId));
      expect(await desk.next('billing.balance')).toEqual(await phone.next('billing.balance'));
    });

    it('stream an answer to readers of the other one, byte for byte', async () => {
      const { generationId } = await send(`${longAnswer} Tell me about the tide.`);
      await phone.next('chat.delta');
      const { generation } = await attach(west, desk);
      expect(generation?.generationId).toBe(generationId);
      await desk.next('chat.delta');
      await east.chat.stop(phone.caller, generationId);
      await desk.done(generationId);
      await phone.done(generationId);
      expect(desk.texts.get(generationId)).toBe(phone.texts.get(generationId));
      expect(desk.texts.get(generationId)).toBe(await finalText());
    });

    it('let readers of the other one read along from the first word when they were there before', async () => {
      await attach(west, desk);
      const { generationId } = await send('Tell me about the harbour.');
      const isPiece = (push: Push) => push.type === 'chat.delta' && push.body.generationId === generationId;
      const done = await desk.done(generationId);
      expect(desk.pushes.filter(isPiece).length).toBeGreaterThan(1);
      expect(desk.texts.get(generationId)).toHaveLength(done.length);
      expect(desk.texts.get(generationId)).toBe(await finalText());
    });

    it('give several readers there the same, from different places', async () => {
      const { generationId } = await send(`${longAnswer} Tell me about the fog.`);
      const readers = [desk, west.connect(userId), west.connect(userId)];
      for (const reader of readers) {
        await phone.next('chat.delta', (body) => body.generationId === generationId);
        await attach(west, reader);
      }
      await readers.at(-1)?.next('chat.delta');
      await east.chat.stop(phone.caller, generationId);
      for (const reader of readers) await reader.done(generationId);
      const text = await finalText();
      expect(readers.map((reader) => reader.texts.get(generationId))).toEqual([text, text, text]);
    });

    it('resume on the other gateway exactly where the first was left', async () => {
      const { generationId } = await send('Tell me about the light.');
      const piece = await phone.next('chat.delta', (body) => body.generationId === generationId);
      desk.texts.set(generationId, (phone.texts.get(generationId) ?? '').slice(0, piece.offset + piece.text.length));
      phone.close();
      const { resumed } = await attach(west, desk, { generationId, seq: piece.seq });
      expect(resumed).toBe(true);
      await desk.done(generationId);
      expect(desk.pushes.some((push) => push.type === 'chat.snapshot')).toBe(false);
      expect(desk.texts.get(generationId)).toBe(
        (await west.chat.history(desk.caller, { conversationId })).messages.at(-1)?.text,
      );
    });

    it('resume there even when the answer has ended meanwhile', async () => {
      const { generationId } = await send('Quickly, please.');
      const done = await phone.done(generationId);
      // Whoever is connected has heard of the end by now; the late one comes after that.
      await desk.done(generationId);
      const late = west.connect(userId);
      const { resumed } = await attach(west, late, { generationId, seq: -1 });
      expect(resumed).toBe(true);
      expect(await late.done(generationId)).toEqual(done);
      expect(late.texts.get(generationId)).toBe(phone.texts.get(generationId));
    });

    it('show on the other devices that the user types, at most once a second', async () => {
      for (let stroke = 0; stroke < 20; stroke++) east.chat.typing(phone.caller, conversationId);
      const { sessionId, connectionId } = phone;
      expect(await desk.next('chat.typing')).toEqual({ conversationId, sessionId, connectionId });
      // What is told afterwards comes behind everything that was told before.
      const { generationId } = await send('Typed.');
      await desk.done(generationId);
      expect(desk.pushes.filter(({ type }) => type === 'chat.typing')).toHaveLength(1);
      expect(phone.pushes.filter(({ type }) => type === 'chat.typing')).toHaveLength(0);
    });

    it('stop an answer from the other gateway, once', async () => {
      const { generationId } = await send(`${longAnswer} A long story.`);
      await phone.next('chat.delta', (body) => body.generationId === generationId);
      expect(await west.chat.stop(desk.caller, generationId)).toEqual({ stopped: true });
      expect((await desk.done(generationId)).finishReason).toBe('stopped');
      expect(await west.chat.stop(desk.caller, generationId)).toEqual({ stopped: false });
    });

    it('stop an answer from both at once: one does, the others are told that it has ended', async () => {
      const { generationId } = await send(`${longAnswer} A long story.`);
      await phone.next('chat.delta', (body) => body.generationId === generationId);
      const stops = await Promise.all([
        west.chat.stop(desk.caller, generationId),
        west.chat.stop(desk.caller, generationId),
        east.chat.stop(phone.caller, generationId),
      ]);
      expect(stops.filter(({ stopped }) => stopped)).toHaveLength(1);
      expect((await desk.done(generationId)).finishReason).toBe('stopped');
    });

    it('make one message of the same command sent to both', async () => {
      const body = { conversationId, clientMessageId: 'both', text: 'Once.' };
      const [one, two] = await Promise.all([east.turns.send(phone.caller, body), west.turns.send(desk.caller, body)]);
      expect(one.generationId).toBe(two.generationId);
      await phone.done(one.generationId);
      expect((await east.chat.history(phone.caller, { conversationId })).messages).toHaveLength(2);
    });

    it('let the sender of the same command read along on the other one, and hear its end when it is over', async () => {
      const body = { conversationId, clientMessageId: 'again', text: 'Tell me about the rain.' };
      const { generationId } = await east.turns.send(phone.caller, body);
      await phone.next('chat.delta', (piece) => piece.generationId === generationId);
      expect((await west.turns.send(desk.caller, body)).generationId).toBe(generationId);
      await desk.done(generationId);
      expect(desk.texts.get(generationId)).toBe(await finalText());
      const done = await phone.done(generationId);
      // One that has kept nothing of it knows the end from what is stored.
      const third = new TestEngine(bench, `third-${uuidv7()}`);
      const late = third.connect(userId);
      expect((await third.turns.send(late.caller, body)).generationId).toBe(generationId);
      expect(await late.done(generationId)).toEqual(done);
    });

    it('tell the other one nothing more of an answer that nobody there reads, until somebody does again', async () => {
      const clock = new ManualClock();
      const far = new TestEngine(bench, `far-${uuidv7()}`, {}, clock);
      await far.engine.start();
      const first = far.connect(userId);
      const { generationId } = await send(`${longAnswer} A story for two.`);
      const length = () => phone.texts.get(generationId)?.length ?? 0;
      await expect.poll(length).toBeGreaterThan(0);
      await attach(far, first);
      let told = 0;
      const leave = await bench.live.subscribe(`gateway:${far.engine.owner}`, (message) => {
        if (message.startsWith('{"pieces"') && message.includes(generationId)) told++;
      });
      await expect.poll(() => told).toBeGreaterThan(0);
      first.close();
      await expect
        .poll(async () => {
          clock.advance(2_000);
          const [before, from] = [told, length()];
          await expect.poll(length).toBeGreaterThan(from + 40);
          return told - before;
        })
        .toBe(0);
      const second = far.connect(userId);
      await attach(far, second);
      await expect.poll(() => told).toBeGreaterThan(0);
      await east.chat.stop(phone.caller, generationId);
      await second.done(generationId);
      expect(second.texts.get(generationId)).toBe(await finalText());
      await leave();
      await far.engine.stop();
    });

    it('keep telling the other one while its readers are away for a moment, however long they had read', async () => {
      const clock = new ManualClock();
      const far = new TestEngine(bench, `far-${uuidv7()}`, {}, clock);
      await far.engine.start();
      const { generationId } = await send(`${longAnswer} A story with a pause.`);
      const asked: string[] = [];
      const leave = await bench.live.subscribe(`gateway:${east.engine.owner}`, (message) => {
        if (message.includes(generationId)) asked.push((JSON.parse(message) as { call: { kind: string } }).call.kind);
      });
      const pass = async (ms: number) => {
        for (let passed = 0; passed < ms; passed += 2_000) {
          const from = phone.texts.get(generationId)?.length ?? 0;
          clock.advance(2_000);
          await expect.poll(() => phone.texts.get(generationId)?.length ?? 0).toBeGreaterThan(from + 40);
        }
      };
      let reader = far.connect(userId);
      await attach(far, reader);
      await pass(20_000);
      reader.close();
      await pass(6_000);
      reader = far.connect(userId);
      await attach(far, reader);
      await east.chat.stop(phone.caller, generationId);
      await reader.done(generationId);
      expect(reader.texts.get(generationId)).toBe(await finalText());
      expect(asked).toEqual(['follow']);
      await leave();
      await far.engine.stop();
    });

    it('answer `busy` for a stop while nobody writes the answer, since it is just being taken over', async () => {
      const { generationId } = await send(`${longAnswer} A story that changes hands.`);
      await phone.next('chat.delta', (body) => body.generationId === generationId);
      const written = east.hub.find(generationId);
      if (written === undefined) throw new Error('It does not run.');
      // As when the row is this gateway's already, and its text still being read.
      east.hub.forget(written);
      await expect(east.chat.stop(phone.caller, generationId)).rejects.toMatchObject({ code: 'busy' });
      await expect(west.chat.stop(desk.caller, generationId)).rejects.toMatchObject({ code: 'busy' });
    });

    it('answer `busy` for a stop when the gateway that writes is gone', async () => {
      const dead = new TestEngine(bench, `dead-${uuidv7()}`, { maxOutputTokens: LONG_ANSWER });
      const asker = dead.connect(userId);
      const { generationId } = await send(`${longAnswer} Hello?`, dead, asker);
      await expect(west.chat.stop(desk.caller, generationId)).rejects.toMatchObject({ code: 'busy' });
      // Deleting stops first, so that nothing is half deleted.
      await expect(west.chat.delete(desk.caller, conversationId)).rejects.toMatchObject({ code: 'busy' });
      expect((await west.chat.history(desk.caller, { conversationId })).messages).toHaveLength(1);
      await dead.endLease();
      await west.recovery.closeLeftovers();
      expect((await desk.done(generationId)).finishReason).toBe('interrupted');
      await west.chat.delete(desk.caller, conversationId);
      await expect(west.chat.history(desk.caller, { conversationId })).rejects.toMatchObject({
        code: 'chat.conversation_not_found',
      });
      await dead.hub.interruptAll();
    });
  });
}
