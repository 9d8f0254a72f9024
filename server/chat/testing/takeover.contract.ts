/** What a gateway owes its readers that was held for dead and is not: their answers have ended elsewhere. Run over each live store. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../db/client.ts';
import type { LiveStore } from '../../../db/live/live-store.ts';
import { PostgresLiveStore } from '../../../db/live/postgres.ts';
import { RedisLiveStore } from '../../../db/live/redis.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { plainAnswer } from '../../llm/persona/answer.ts';
import { type Bench, startBench, TestEngine } from './engine.ts';
import type { Reader } from './reader.ts';
import { Wire } from './wire.ts';

export function takeoverContract(kind: 'postgres' | 'redis'): void {
  let bench: Bench;
  let heir: TestEngine;
  let wire: Wire;
  let live: LiveStore;
  let databaseWire: Wire;
  let db: Database;
  let old: TestEngine;
  let asker: Reader;
  let userId: string;
  let conversationId: string;

  beforeAll(async () => {
    bench = await startBench({ tokensPerSecond: 100, live: kind });
    heir = new TestEngine(bench, 'heir', { failover: 'continue' });
    await heir.engine.start();
  });
  afterAll(async () => {
    await heir.engine.stop();
    await bench.close();
  });
  beforeEach(async () => {
    const url = bench.redis?.url ?? bench.test.url;
    wire = await Wire.to(url);
    live = kind === 'redis' ? new RedisLiveStore(wire.through(url)) : new PostgresLiveStore(wire.through(url));
    databaseWire = await Wire.to(bench.test.url);
    db = new Database(databaseWire.through(bench.test.url));
    old = new TestEngine({ ...bench, live, db }, `old-${uuidv7()}`);
    await old.engine.start();
    userId = await bench.newUser();
    asker = old.connect(userId);
    const avatarId = await bench.newAvatar(userId);
    ({ conversationId } = await old.chat.open(asker.caller, { avatarId, kind: 'conversation' }));
    await old.engine.news.ready(userId);
    return async () => {
      await old.engine.stop();
      await Promise.all([live.close(), db.close()]);
      await Promise.all([wire[Symbol.asyncDispose](), databaseWire[Symbol.asyncDispose]()]);
    };
  });

  /** An answer that the old gateway writes, a few pieces in. */
  async function begin(text: string): Promise<string> {
    const { generationId } = await old.turns.send(asker.caller, { conversationId, clientMessageId: uuidv7(), text });
    await asker.next('chat.delta', (body) => body.seq >= 2);
    return generationId;
  }
  /** To everybody else the old gateway is dead. Resolves when the heir has ended the answer. */
  async function endElsewhere(generationId: string, onTaken = () => {}): Promise<string> {
    const witness = heir.connect(userId);
    await heir.engine.news.ready(userId);
    await bench.live.releaseLease(`gateway:${old.engine.owner}`, old.engine.owner);
    await heir.recovery.closeLeftovers();
    onTaken();
    await heir.chat.attach(witness.caller, { conversationId });
    await witness.done(generationId);
    witness.close();
    return (await heir.chat.history(witness.caller, { conversationId })).messages.at(-1)?.text ?? '';
  }
  /** The reader of the old gateway has the whole text by the time that he hears of the end, and hears of it once. */
  async function expectWholeEnd(generationId: string, stored: string): Promise<void> {
    const done = await asker.done(generationId);
    expect(asker.texts.get(generationId)).toBe(stored);
    expect(done.length).toBe(stored.length);
    await old.hub.idle();
    const charges = await bench.db.asService(
      (tx) => tx.sql`select 1 from billing.token_ledger where generation_id = ${generationId}`,
    );
    expect(charges).toHaveLength(1);
    expect(asker.pushes.filter(({ type }) => type === 'chat.done')).toHaveLength(1);
  }

  describe('a gateway that was held for dead', () => {
    it('gives its readers the whole text before the end, though it could not write when the answer was taken over', async () => {
      const generationId = await begin('[[fault huge:150]] Tell me of the sea.');
      wire.hold();
      const stored = await endElsewhere(generationId);
      wire.release();
      await expectWholeEnd(generationId, stored);
    });

    it('finds the end by itself when the news of it are lost', async () => {
      const generationId = await begin('[[fault huge:150]] Tell me of the wind.');
      wire.hold();
      const stored = await endElsewhere(generationId);
      wire.cut();
      await expectWholeEnd(generationId, stored);
    });

    it('turns its readers to the new owner when its own end comes too late', async () => {
      const whole = plainAnswer(60, Number.POSITIVE_INFINITY).pieces.reduce(
        (length, { text }) => length + text.length,
        0,
      );
      const generationId = await begin('[[fault huge:60]] Tell me of the lakes.');
      databaseWire.hold();
      await asker.next('chat.delta', ({ offset, text }) => offset + text.length === whole);
      const stored = await endElsewhere(generationId, () => databaseWire.release());
      await expectWholeEnd(generationId, stored);
      expect(stored.length).toBeGreaterThan(whole);
    });

    it('turns its readers to the new owner while its own model says nothing', async () => {
      const text = '[[fault slow-first:60000]] Tell me of the fog.';
      const { generationId } = await old.turns.send(asker.caller, { conversationId, clientMessageId: uuidv7(), text });
      await bench.live.releaseLease(`gateway:${old.engine.owner}`, old.engine.owner);
      await heir.recovery.closeLeftovers();
      await asker.next('chat.snapshot', ({ generation }) => generation.epoch === 2);
      expect(old.hub.find(generationId)).toBeUndefined();
      const witness = heir.connect(userId);
      await heir.chat.stop(witness.caller, generationId);
      const done = await asker.done(generationId);
      expect(asker.texts.get(generationId) ?? '').toHaveLength(done.length);
      witness.close();
    });

    it('reads a conversation again that goes on elsewhere while somebody attaches to it', async () => {
      const witness = heir.connect(userId);
      await heir.engine.news.ready(userId);
      const late = old.connect(userId);
      const asked = databaseWire.answerNothingTo(conversationId);
      const attached = old.chat.attach(late.caller, { conversationId });
      await asked;
      const { generationId } = await heir.turns.send(witness.caller, {
        conversationId,
        clientMessageId: uuidv7(),
        text: '[[fault huge:400]] Tell me of the dunes.',
      });
      await late.next('chat.message', ({ generation }) => generation?.generationId === generationId);
      databaseWire.release();
      const { generation, conversation } = await attached;
      expect(generation?.generationId).toBe(generationId);
      expect(conversation.revision).toBe(1);
      late.texts.set(generationId, generation?.text ?? '');
      await late.next('chat.delta', (body) => body.generationId === generationId);
      await heir.chat.stop(witness.caller, generationId);
      const done = await late.done(generationId);
      expect(late.texts.get(generationId)).toHaveLength(done.length);
      witness.close();
      late.close();
    });

    it('reads along what begins elsewhere while its stores are away for a moment', async () => {
      const witness = heir.connect(userId);
      await heir.engine.news.ready(userId);
      databaseWire.hold();
      const { generationId } = await heir.turns.send(witness.caller, {
        conversationId,
        clientMessageId: uuidv7(),
        text: '[[fault huge:400]] Tell me of the tides.',
      });
      await asker.next('chat.message', ({ generation }) => generation?.generationId === generationId);
      databaseWire.cut();
      await asker.next('chat.delta', (body) => body.generationId === generationId);
      await heir.chat.stop(witness.caller, generationId);
      const done = await asker.done(generationId);
      expect(asker.texts.get(generationId)).toHaveLength(done.length);
      witness.close();
    });
  });
}
