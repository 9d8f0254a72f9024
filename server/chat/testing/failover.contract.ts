/** What is left of the answers of a gateway that is held for dead. Run over each live store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uuidv7 } from '../../../db/uuid.ts';
import { type Bench, startBench, TestEngine } from './engine.ts';

export function failoverContract(live: 'postgres' | 'redis'): void {
  let bench: Bench;
  let heir: TestEngine;

  beforeAll(async () => {
    bench = await startBench({ tokensPerSecond: 60, live });
    heir = new TestEngine(bench, 'heir', { failover: 'continue' });
    await heir.engine.start();
  });
  afterAll(async () => {
    await heir.engine.stop();
    await bench.close();
  });

  describe('failover that continues', () => {
    it('lets the model write on behind the stored text, for readers everywhere, and charges once', async () => {
      // Its answer is longer than anything that happens here may take; what the heir adds is short.
      const dying = new TestEngine(bench, 'dying', { maxOutputTokens: 3_000 });
      await dying.engine.start();
      const userId = await bench.newUser();
      const asker = dying.connect(userId);
      const avatarId = await bench.newAvatar(userId);
      const { conversationId } = await dying.chat.open(asker.caller, { avatarId, kind: 'conversation' });
      const witness = heir.connect(userId);
      await heir.engine.news.ready(userId);
      const text = '[[fault huge:3000]] Tell me a story of the sea and of the people who live by it.';
      const { generationId } = await dying.turns.send(asker.caller, {
        conversationId,
        clientMessageId: uuidv7(),
        text,
      });
      await asker.next('chat.delta', (body) => body.seq >= 2);
      const { generation } = await heir.chat.attach(witness.caller, { conversationId });
      witness.texts.set(generationId, generation?.text ?? '');
      const shown = asker.texts.get(generationId) ?? '';

      // It gives its lease away but writes on: to everybody else it is dead.
      await dying.recovery.stop();
      await heir.recovery.closeLeftovers();
      const done = await witness.done(generationId);
      expect(done.finishReason).toBe('stop');
      const stored = (await heir.chat.history(witness.caller, { conversationId })).messages.at(-1)?.text ?? '';
      expect(stored.startsWith(shown)).toBe(true);
      expect(stored.length).toBeGreaterThan(shown.length);
      expect(witness.texts.get(generationId)).toBe(stored);
      const entries = await bench.db.asService(
        (tx) => tx.sql`select 1 from billing.token_ledger where generation_id = ${generationId}`,
      );
      expect(entries).toHaveLength(1);

      // What the old owner wrote afterwards was refused, and its readers went on with the new one.
      await asker.next('chat.snapshot', (body) => body.generation.epoch === 2);
      await asker.done(generationId);
      expect(asker.texts.get(generationId)).toBe(stored);
      await dying.engine.stop();
    });

    it('goes on elsewhere when a gateway stops in order', async () => {
      const leaving = new TestEngine(bench, 'leaving', { failover: 'continue', maxOutputTokens: 3_000 });
      await leaving.engine.start();
      const userId = await bench.newUser();
      const asker = leaving.connect(userId);
      const avatarId = await bench.newAvatar(userId);
      const { conversationId } = await leaving.chat.open(asker.caller, { avatarId, kind: 'conversation' });
      const text = '[[fault huge:3000]] Tell me about the harbour, and about everybody who walks there.';
      const command = { conversationId, clientMessageId: uuidv7(), text };
      const { generationId } = await leaving.turns.send(asker.caller, command);
      const piece = await asker.next('chat.delta', (body) => body.seq >= 2);
      await leaving.engine.stop();
      const shown = asker.texts.get(generationId) ?? '';

      const again = heir.connect(userId);
      await heir.recovery.closeLeftovers();
      const after = { generationId, seq: piece.seq, epoch: 1 };
      const { resumed, generation } = await heir.chat.attach(again.caller, { conversationId, after });
      // Of another epoch now: whoever comes back gets the whole text, as far as it has come.
      expect(resumed).toBe(false);
      expect((generation?.text ?? shown).startsWith(shown)).toBe(true);
      again.texts.set(generationId, generation?.text ?? shown);
      expect((await again.done(generationId)).finishReason).toBe('stop');
      const { messages } = await heir.chat.history(again.caller, { conversationId });
      const stored = messages.at(-1)?.text ?? '';
      expect(stored.startsWith(shown)).toBe(true);
      expect(stored.length).toBeGreaterThan(shown.length);
      expect(messages).toHaveLength(2);
    });
  });
}
