import { expect, it } from 'vitest';
import type { TracePart } from '../../protocol/chat.ts';
import { withinTrace } from './trace-text.ts';

const of = (part: TracePart['part'], text: string): TracePart => ({
  part,
  role: part === 'turn' ? 'user' : 'system',
  tokens: 1,
  why: 'recent_turn',
  text,
  textLength: text.length,
  source: {},
});
const lengths = (parts: readonly TracePart[]) => parts.map(({ text }) => text.length);

it('leaves a usual prompt as it is', () => {
  const parts = [of('system', 'You are Wren.'), of('turn', 'x'.repeat(20_000)), of('turn', ''), of('turn', 'Hello')];
  expect(withinTrace(parts)).toEqual(parts);
});

it('cuts the oldest turns of a long one, and says how long they were', () => {
  const turns = Array.from({ length: 100 }, () => of('turn', '\u0001'.repeat(20_000)));
  const cut = withinTrace([of('system', 's'.repeat(8_000)), of('memory', 'm'.repeat(2_000)), ...turns]);
  expect(lengths(cut)).toEqual([8_000, 2_000, ...Array(98).fill(100), 20_000, 20_000]);
  expect(cut.map(({ textLength }) => textLength)).toEqual([8_000, 2_000, ...Array(100).fill(20_000)]);
  expect(JSON.stringify(cut).length).toBeLessThan(512 * 1024);
});

it('never cuts a character in two', () => {
  const long = of('turn', `${'a'.repeat(99)}🧵${'b'.repeat(70_000)}`);
  expect(withinTrace([long])[0]?.text).toBe('a'.repeat(99));
  const other = of('turn', `${'a'.repeat(98)}🧵${'b'.repeat(70_000)}`);
  expect(withinTrace([other])[0]?.text).toBe(`${'a'.repeat(98)}🧵`);
});
