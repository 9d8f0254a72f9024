import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TurnRow } from '../../db/chat/rows.ts';
import { uuidv7 } from '../../db/uuid.ts';
import { ManualClock } from '../clock.ts';
import { Generation } from './generation.ts';
import type { DoneBody } from './settler.ts';
import { type TurnContext, TurnContexts } from './turn-contexts.ts';

const limits = { historyTokens: 100, maxTurns: 6, maxConversations: 3, maxUnits: 10_000, keepMs: 1_000 };
let clock: ManualClock;
let contexts: TurnContexts;
beforeEach(() => {
  clock = new ManualClock();
  contexts = new TurnContexts(limits, clock);
});

const turn = (text: string, tokenCount = 10): TurnRow => ({ id: uuidv7(), role: 'user', text, tokenCount });
const context = (over: Partial<TurnContext> = {}): TurnContext => ({
  conversationId: uuidv7(),
  userId: 'ann',
  avatarId: 'avatar',
  lang: 'en',
  revision: 4,
  headMessageId: null,
  turns: [],
  ...over,
});

/** An answer that was written, and how it ended. */
function answer(of: TurnContext, text: string, over: Partial<DoneBody> = {}) {
  const facts = { conversationId: of.conversationId, generationId: uuidv7(), messageId: uuidv7(), epoch: 1 };
  const generation = new Generation(facts as never, [
    { generationId: facts.generationId, epoch: 1, seq: 0, offset: 0, text },
  ]);
  const done = { messageId: facts.messageId, revision: of.revision + 1, usage: { tokensIn: 1, tokensOut: 7 }, ...over };
  return { generation, done: done as DoneBody };
}

describe('what a turn begins from', () => {
  it('is known to its user only', () => {
    const known = context();
    contexts.note(known);
    expect(contexts.find(known.conversationId, 'ann')).toBe(known);
    expect(contexts.find(known.conversationId, 'ben')).toBeUndefined();
    expect(contexts.find(uuidv7(), 'ann')).toBeUndefined();
  });

  it('is not known while an answer is being written, and ends with the answer afterwards', () => {
    const question = turn('How are you?');
    const begun = context({ headMessageId: question.id, turns: [question, turn('before')] });
    contexts.note(begun);
    const { generation, done } = answer(begun, 'Well.');
    contexts.begun(generation, begun);
    expect(contexts.find(begun.conversationId, 'ann')).toBeUndefined();
    contexts.ended(generation, done);
    expect(contexts.find(begun.conversationId, 'ann')).toEqual({
      ...begun,
      revision: 5,
      headMessageId: done.messageId,
      turns: [{ id: done.messageId, role: 'ai', text: 'Well.', tokenCount: 7 }, ...begun.turns],
    });
  });

  it('stays at the question when nothing was answered', () => {
    const question = turn('Hm?');
    const begun = context({ headMessageId: question.id, turns: [question] });
    const { generation, done } = answer(begun, '', { messageId: null });
    contexts.begun(generation, begun);
    contexts.ended(generation, done);
    expect(contexts.find(begun.conversationId, 'ann')).toEqual({ ...begun, revision: 5 });
  });

  it('is forgotten when anything else has happened in the conversation meanwhile', () => {
    const begun = context();
    const { generation, done } = answer(begun, 'Well.', { revision: begun.revision + 2 });
    contexts.begun(generation, begun);
    contexts.ended(generation, done);
    expect(contexts.size).toBe(0);
  });

  it('ends with its time', () => {
    const known = context();
    contexts.note(known);
    clock.advance(limits.keepMs);
    expect(contexts.find(known.conversationId, 'ann')).toBeDefined();
    clock.advance(1);
    expect(contexts.find(known.conversationId, 'ann')).toBeUndefined();
    expect(contexts.units).toBe(0);
  });

  it('takes the same turns as a reading with the same budget, whatever their sizes', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 60 }), (tokens, tokensOut) => {
        // The whole branch, and what a reading from its question would have given of it.
        const branch = tokens.map((count, at) => turn(`turn ${at}`, count));
        const begun = context({ headMessageId: branch[0]?.id ?? null, turns: read(branch) });
        const { generation, done } = answer(begun, 'Yes.', { usage: { tokensIn: 1, tokensOut } });
        contexts.begun(generation, begun);
        contexts.ended(generation, done);
        const found = contexts.find(begun.conversationId, 'ann')?.turns;
        const answered: TurnRow = { id: done.messageId ?? '', role: 'ai', text: 'Yes.', tokenCount: tokensOut };
        expect(found).toEqual(read([answered, ...branch]));
      }),
    );
  });

  it('takes no more than its limits, oldest first, and counts what it takes', () => {
    const many = fc.array(fc.integer({ min: 0, max: 8_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(many, (lengths) => {
        contexts = new TurnContexts(limits, clock);
        const noted = lengths.map((length) => context({ turns: [turn('x'.repeat(length))] }));
        for (const one of noted) contexts.note(one);
        expect(contexts.size).toBeLessThanOrEqual(limits.maxConversations);
        expect(contexts.units).toBeLessThanOrEqual(limits.maxUnits);
        const kept = noted.map((one) => contexts.find(one.conversationId, 'ann') !== undefined);
        expect(kept.indexOf(true) === -1 || kept.slice(kept.indexOf(true)).every(Boolean)).toBe(true);
        for (const one of noted) contexts.forget(one.conversationId);
        expect([contexts.size, contexts.units]).toEqual([0, 0]);
      }),
    );
  });
});

/** As `recentTurns` walks the branch: newest first, the first one always. */
function read(branch: readonly TurnRow[]): TurnRow[] {
  const taken = branch.slice(0, 1);
  let total = branch[0]?.tokenCount ?? 0;
  for (const one of branch.slice(1)) {
    total += one.tokenCount;
    if (taken.length >= limits.maxTurns || total > limits.historyTokens) break;
    taken.push(one);
  }
  return taken;
}
