import { expect, test } from 'vitest';
import { answerPieces, answerText, findTag, question } from './story.ts';

const tags = Array.from({ length: 200 }, (_, index) => `p${index % 7}-${index}`);

test('a question carries its tag, and the tag decides the answer', () => {
  for (const tag of tags) {
    expect(findTag(question(tag))).toBe(tag);
    expect(answerPieces(tag)).toEqual(answerPieces(tag));
  }
  expect(findTag('Good morning')).toBeUndefined();
  // Behind an answer that failed, the server joins what the person said before with what he says now.
  expect(findTag(`${question('p1-1')}\n\n${question('p1-2')}`)).toBe('p1-2');
  expect(new Set(tags.map(answerText)).size).toBe(tags.length);
});

test('answers hold whole characters only, though some pieces do not', () => {
  expect(tags.map(answerText).every((text) => text.isWellFormed())).toBe(true);
  expect(tags.flatMap(answerPieces).some((piece) => !piece.isWellFormed())).toBe(true);
});
