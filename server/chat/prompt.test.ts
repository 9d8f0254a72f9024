import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import type { PartnerAvatar } from './needs.ts';
import { assemblePrompt, type PromptInput, promptBound, systemText } from './prompt.ts';

const avatar: PartnerAvatar = {
  avatarId: 'a1',
  name: 'Wren',
  lang: 'en',
  ownerUserId: null,
  private: false,
  deleted: false,
  promptVersion: 3,
  systemPrompt: 'You are Wren.',
  safetyRules: 'Be kind.',
  params: {},
};

const turn = (id: string, tokenCount: number, role: 'user' | 'ai' = 'user') => ({
  id,
  role,
  text: `text of ${id}`,
  tokenCount,
});
const memory = (memoryId: string, tokens: number, messageId?: string) => ({
  memoryId,
  text: `memory ${memoryId}`,
  score: 0.5,
  tokens,
  source: messageId === undefined ? {} : { messageId },
});
const input = (over: Partial<PromptInput> = {}): PromptInput => ({
  avatar,
  lang: 'en',
  systemTokens: 10,
  safetyTokens: 5,
  memories: [],
  memoryNote: undefined,
  turns: [turn('q', 7)],
  contextLimit: 4_000,
  maxOutputTokens: 500,
  historyTokens: 1_000,
  memoryTokens: 300,
  ...over,
});

describe('assemblePrompt', () => {
  it('puts prompt, safety rules and memories into one system message, then the turns from old to new', () => {
    const { messages } = assemblePrompt(
      input({ turns: [turn('q', 7), turn('a0', 5, 'ai'), turn('q0', 4)], memories: [memory('x', 9)] }),
    );
    expect(messages.map((message) => message.role)).toEqual(['system', 'user', 'assistant', 'user']);
    expect(messages[0]?.content).toMatch(/You are Wren\.[\s\S]*Be kind\.[\s\S]*- memory x/);
    expect(messages.at(-1)?.content).toBe('text of q');
  });

  it('stops at the first turn that does not fit, so that the dialogue has no gap, and says so in the trace', () => {
    const { trace } = assemblePrompt(
      input({ turns: [turn('q', 7), turn('big', 990, 'ai'), turn('small', 1), turn('tiny', 1)], historyTokens: 995 }),
    );
    expect(trace.parts.filter((part) => part.part === 'turn').map((part) => part.messageId)).toEqual(['big', 'q']);
    expect(trace.left).toEqual([{ part: 'turn', count: 2, tokens: 2, why: expect.any(String) }]);
  });

  it('joins neighbours of one role, as they stand behind an answer that failed', () => {
    const { messages, trace } = assemblePrompt(input({ turns: [turn('q', 7), turn('unanswered', 4)] }));
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(messages[1]?.content).toBe('text of unanswered\n\ntext of q');
    expect(trace.parts.filter((part) => part.part === 'turn')).toHaveLength(2);
  });

  it('keeps room for the dialogue where the avatar asks for answers as long as the context', () => {
    const turns = [turn('q', 7), turn('a0', 500, 'ai'), turn('q0', 400)];
    const { trace, maxOutputTokens } = assemblePrompt(input({ turns, maxOutputTokens: 32_000 }));
    expect(trace.parts.filter((part) => part.part === 'turn')).toHaveLength(3);
    // What the dialogue does not need is the answer's.
    expect(maxOutputTokens).toBeGreaterThan(2_800);
    expect(trace.tokensTotal + maxOutputTokens).toBeLessThanOrEqual(4_000);
  });

  it.each(['en', 'ja'] as const)('counts what is put around the parts, in %s, nearly as a tokenizer does', (lang) => {
    const texts =
      lang === 'en' ? ['I have a cat.', 'I live in Lisbon.'] : ['猫を飼っています。', '京都に住んでいます。'];
    const count = (text: string) => encode(text).length;
    const memories = texts.map((text, index) => ({ ...memory(`m${index}`, count(text)), text }));
    const question = { ...turn('q', count('Hello again')), text: 'Hello again' };
    const counted = { systemTokens: count(systemText(avatar, lang)), safetyTokens: count(avatar.safetyRules) };
    const { messages, trace } = assemblePrompt(input({ lang, memories, turns: [question], ...counted }));
    const sent = messages.reduce((sum, { content }) => sum + count(content) + 4, 3);
    expect(Math.abs(trace.tokensTotal - sent)).toBeLessThanOrEqual(3);
  });

  it('leaves out a memory that stands in the dialogue anyway', () => {
    const { trace } = assemblePrompt(
      input({ turns: [turn('q', 7), turn('told', 3)], memories: [memory('x', 9, 'told'), memory('y', 9)] }),
    );
    expect(trace.parts.filter((part) => part.part === 'memory').map((part) => part.memoryId)).toEqual(['y']);
  });

  it('refuses a message that leaves no room for an answer', () => {
    expect(() => assemblePrompt(input({ turns: [turn('q', 4_000)] }))).toThrow(
      expect.objectContaining({ code: 'chat.prompt_too_long' }),
    );
  });

  it('says the name where the prompt does not, in the language of the conversation', () => {
    expect(systemText({ name: 'ソラ', systemPrompt: '元気な案内役です。' }, 'ja')).toContain('ソラ');
    expect(systemText(avatar, 'en').match(/Wren/g)).toHaveLength(1);
  });

  it('never has more tokens than was known before anything was counted or retrieved', () => {
    const tokens = fc.integer({ min: 0, max: 600 });
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(tokens, { maxLength: 12 }),
        fc.array(tokens, { maxLength: 8 }),
        fc.integer({ min: 200, max: 8_000 }),
        (text, share, turnTokens, memoryTokens, contextLimit) => {
          const older = turnTokens.map((count, index) => turn(`t${index}`, count));
          const tokenCount = Math.floor(Buffer.byteLength(text) * share);
          const turns = [{ ...turn('q', tokenCount), text }, ...older];
          const memories = memoryTokens.map((count, index) => memory(`m${index}`, count));
          const made = input({ turns, memories, contextLimit, maxOutputTokens: 100 });
          const { trace } = assemblePrompt(made);
          expect(trace.tokensTotal).toBeLessThanOrEqual(promptBound({ ...made, text, turns: older }));
        },
      ),
    );
  });

  it('never exceeds the context and always contains the message that is answered', () => {
    const tokens = fc.integer({ min: 0, max: 3_000 });
    fc.assert(
      fc.property(
        fc.array(tokens, { minLength: 1, maxLength: 20 }),
        fc.array(tokens, { maxLength: 8 }),
        fc.integer({ min: 200, max: 8_000 }),
        fc.integer({ min: 1, max: 4_000 }),
        (turnTokens, memoryTokens, contextLimit, maxOutputTokens) => {
          const made = input({
            turns: turnTokens.map((count, index) => turn(`t${index}`, count)),
            memories: memoryTokens.map((count, index) => memory(`m${index}`, count)),
            contextLimit,
            maxOutputTokens,
          });
          let prompt: ReturnType<typeof assemblePrompt>;
          try {
            prompt = assemblePrompt(made);
          } catch (error) {
            expect(error).toMatchObject({ code: 'chat.prompt_too_long' });
            return;
          }
          expect(prompt.trace.tokensTotal + prompt.maxOutputTokens).toBeLessThanOrEqual(contextLimit);
          expect(prompt.trace.parts.at(-1)).toMatchObject({ part: 'turn', messageId: 't0' });
          expect(prompt.maxOutputTokens).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });
});
