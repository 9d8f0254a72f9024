import fc from 'fast-check';
import { encode as encodeCl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { decode, encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { encodingOf, meterTokens } from './meter-tokens.ts';

const count = (text: string, model = 'gpt-4o') => meterTokens(model, [text])[0];
const asText = { disallowedSpecial: new Set<string>() };

test('each family of models has its tokenizer', () => {
  const newest = [
    'gpt-4o',
    'gpt-4o-mini-2024-07-18',
    'gpt-4.1-nano',
    'gpt-4.5-preview',
    'gpt-5',
    'gpt-5.1',
    'o1',
    'o3-mini',
    'o4-mini',
    'chatgpt-4o-latest',
    'ft:gpt-4o:org::id',
    'tsumugi-persona',
    'llama-3.1-8b',
    'gpt-oss-20b',
    '',
  ];
  const older = [
    'gpt-4',
    'gpt-4-0613',
    'gpt-4-turbo',
    'gpt-4-32k',
    'gpt-3.5-turbo',
    'gpt-35-turbo',
    'ft:gpt-3.5-turbo:org::id',
    'text-embedding-3-small',
  ];
  expect(newest.map(encodingOf)).toEqual(newest.map(() => 'o200k_base'));
  expect(older.map(encodingOf)).toEqual(older.map(() => 'cl100k_base'));
});

test('counts as the published tables do', () => {
  // Known from OpenAI's tokenizer.
  expect(meterTokens('gpt-4o', ['Hello, world!', 'tiktoken is great!', '', 'お誕生日おめでとう'])).toEqual([
    4, 6, 0, 8,
  ]);
  expect(meterTokens('gpt-4', ['Hello, world!', 'tiktoken is great!', '', 'お誕生日おめでとう'])).toEqual([4, 6, 0, 9]);
});

test('equals the length of the encoding for any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      expect(count(text)).toBe(encode(text, asText).length);
      expect(count(text, 'gpt-4')).toBe(encodeCl100k(text, asText).length);
    }),
    { numRuns: 200 },
  );
});

test('special tokens in a text count as the text they are', () => {
  expect(count('<|endoftext|>')).toBe(7);
  expect(count('<|im_start|>system<|im_end|>')).toBeGreaterThan(3);
});

test('long texts of people are exact', () => {
  const prose = 'She said: "We shall see."\n\n今日は海辺を散歩して、夕焼けを見ました。 '.repeat(300);
  expect(count(prose)).toBe(encode(prose, asText).length);
});

test.each([
  ['letters', 'ab'.repeat(2_500)],
  ['kanji', '漢字仮名'.repeat(1_000)],
  ['emoji', '😀'.repeat(2_000)],
  ['dots', '.'.repeat(4_000)],
  ['spaces', ' '.repeat(4_000)],
  ['mixed in', `before ${'x'.repeat(5_000)} after`],
])('an endless run of %s is counted in parts, near the exact number', (_name, text) => {
  const exact = encode(text, asText).length;
  expect(Math.abs((count(text) ?? 0) - exact)).toBeLessThanOrEqual(2 * Math.ceil(text.length / 1_024));
  expect(decode(encode(text, asText))).toBe(text);
});

test('broken Unicode is counted, not refused', () => {
  expect(count('a\ud800b')).toBeGreaterThan(0);
  expect(count(`${'\udc00'.repeat(3_000)}`)).toBeGreaterThan(0);
});
