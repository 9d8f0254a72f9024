import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { embedTexts } from './embed-text.ts';
import { runsOf, stemOf } from './fold-text.ts';

const embed = (text: string) => embedTexts([text], 256)[0] ?? new Float32Array();
const similarity = (a: string, b: string) => {
  const other = embed(b);
  return embed(a).reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
};

describe('any text', () => {
  test('gives a vector of length one, or zero when it holds no letter; always the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const vector = embed(text);
        const length = Math.hypot(...vector);
        expect(vector).toHaveLength(256);
        if (runsOf(text).length === 0) expect(length).toBe(0);
        // A text of few features whose hashes cancel out exactly is the one exception.
        else if (length !== 0) expect(length).toBeCloseTo(1, 5);
        expect(embed(text)).toEqual(vector);
      }),
      { numRuns: 200 },
    );
  });

  test('stands alone in a batch', () => {
    expect(embedTexts(['海', 'sea'], 256)).toEqual([embed('海'), embed('sea')]);
    expect(embedTexts([], 256)).toEqual([]);
  });

  test('keeps its vector from version to version of the server', () => {
    // Stored vectors are compared with new ones: when this changes, OFFLINE_MODEL must change too.
    const vector = embed('紡ぎ車と糸 spins a thread');
    const known = Array.from(vector.entries()).filter(([, value]) => value !== 0);
    expect(known.length).toBeGreaterThan(15);
    expect(known.slice(0, 3).map(([at, value]) => [at, Number(value.toFixed(4))])).toMatchInlineSnapshot(`
      [
        [
          3,
          0.0919,
        ],
        [
          16,
          0.1351,
        ],
        [
          17,
          0.1126,
        ],
      ]
    `);
  });

  test('is refused for dimensions that make no sense', () => {
    for (const dimensions of [0, 15, 4_097, 20.5, Number.NaN]) {
      expect(() => embedTexts(['a'], dimensions)).toThrow(RangeError);
    }
  });
});

describe('texts that mean nearly the same are near', () => {
  test.each([
    ['I have two cats named Momo and Sora.', 'What are the names of my cats?', 'The weather is nice today.'],
    ['My sister works as a nurse in Osaka.', 'Where is my sister working?', 'I had coffee this morning.'],
    ['I am allergic to peanuts', 'Which food allergies do I have? Peanuts?', 'My favourite colour is blue'],
    ['私は猫を二匹飼っています。名前はモモとソラです。', 'うちの猫の名前、覚えてる？', '昨日は仕事が忙しくて疲れた。'],
    ['来月、京都へ旅行に行く予定です。', '旅行の予定はいつだった？', 'ピアノを習い始めた。'],
    ['誕生日は七月七日です。', '私の誕生日を知ってる？', '今日は雨が降っている。'],
  ])('%s ~ %s', (memory, question, other) => {
    expect(similarity(memory, question)).toBeGreaterThan(0.2);
    expect(similarity(memory, question)).toBeGreaterThan(similarity(other, question) + 0.15);
  });
});

describe('forms of writing that do not matter', () => {
  test.each([
    ['ｺｰﾋｰが好き', 'コーヒーが好き'],
    ['Ｈｅｌｌｏ Ｗｏｒｌｄ', 'hello world'],
    ['がぎぐ', 'ガギグ'],
    ["DON'T WORRY!", 'dont worry'],
    ['か\u3099', 'が'],
  ])('%s = %s', (one, other) => {
    expect(similarity(one, other)).toBeGreaterThan(0.8);
  });

  test('endings of English words', () => {
    expect(['walks', 'walked', 'walking'].map(stemOf)).toEqual(['walk', 'walk', 'walk']);
    expect(['running', 'stories', 'quickly', 'likes', 'liked', 'like'].map(stemOf)).toEqual([
      'run',
      'story',
      'quick',
      'lik',
      'lik',
      'lik',
    ]);
    expect(['glass', 'is', 'red', 'sea'].map(stemOf)).toEqual(['glass', 'is', 'red', 'sea']);
  });
});
