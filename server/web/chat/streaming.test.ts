import { expect, it } from 'vitest';
import { sentenceEnd, settledEnd } from './streaming.ts';

it('settles at blank lines', () => {
  expect(settledEnd('first\nstill first')).toBe(0);
  expect(settledEnd('first\n\nsecond')).toBe('first\n\n'.length);
});

it('never settles inside a code fence', () => {
  const open = 'text\n\n```\na\n\nb';
  expect(settledEnd(open)).toBe('text\n\n'.length);
  const closed = `${open}\n\`\`\`\n\nmore`;
  expect(closed.slice(settledEnd(closed))).toBe('more');
});

it('only ever settles more as the text grows', () => {
  const text = 'a\n\n```js\nx\n\ny\n```\n\n- b\n\nc';
  let before = 0;
  for (let length = 0; length <= text.length; length++) {
    const end = settledEnd(text.slice(0, length));
    expect(end).toBeGreaterThanOrEqual(before);
    before = end;
  }
});

it('finds whole sentences in both languages', () => {
  expect(sentenceEnd('こんにちは。元気', 0)).toBe(6);
  expect(sentenceEnd('Hello. How are', 0)).toBe(6);
  expect(sentenceEnd('pi is 3.14 or so', 0)).toBe(0);
  expect(sentenceEnd('「はい！」と言', 0)).toBe(5);
  expect(sentenceEnd('One. Two. Thr', 4)).toBe(9);
});
