import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findSkipReason, piecesOf } from './worth-keeping.ts';

test.each([
  'ok',
  'OK!!',
  'はい',
  'ありがとうございます。',
  'うん、そうですね',
  'yes, thanks',
  'Good morning!',
  '…',
  '👍',
  'ｵｯｹｰ',
  'lol',
  'hm',
  'え？',
  '42',
])('small talk is not remembered: %s', (text) => expect(findSkipReason(text)).toBe('trivial'));

test.each([
  '猫好き',
  '京都に行く',
  'I have two cats',
  'My name is Ann',
  '誕生日は七月七日です',
  'Thanks, my sister is better now',
  'ピアノを習い始めた',
])('a fact is: %s', (text) => expect(findSkipReason(text)).toBeUndefined());

test('a long text is cut at sentences, a short one stays whole', () => {
  expect(piecesOf('  I have\n two cats. ')).toEqual(['I have two cats.']);
  expect(piecesOf(' \n ')).toEqual([]);
  const pieces = piecesOf('今日は海へ行きました。とても楽しかったです！'.repeat(40));
  expect(pieces.length).toBeGreaterThan(1);
  for (const piece of pieces) expect(piece).toMatch(/[。！]$/);
});

test('any text: pieces are short, hold everything up to the limit, and can be stored', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 1_500 }), (text) => {
      const pieces = piecesOf(text);
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(400);
        expect(piece.isWellFormed()).toBe(true);
        expect(piece).not.toContain('\0');
      }
      const squeeze = (value: string) => value.replace(/\s/gu, '');
      expect(squeeze(pieces.join(''))).toBe(squeeze(text.toWellFormed().replaceAll('\0', '')));
    }),
    { numRuns: 300 },
  );
  expect(piecesOf('x'.repeat(1_000_000))).toHaveLength(25);
});
