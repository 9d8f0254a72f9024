import fc from 'fast-check';
import { expect, it } from 'vitest';
import { contrast, parseHex, portraitColors } from './color.ts';
import { knotPaths, knotShape } from './knot-geometry.ts';
import { firstGlyph } from './portrait.tsx';

it('ties the same knot for the same name, and different ones for different names', () => {
  expect(knotShape('紬')).toEqual(knotShape('紬'));
  const shapes = new Set(['紬', 'ソラ', 'Wren', 'Ada', 'Kaito', 'ミナ'].map((name) => JSON.stringify(knotShape(name))));
  expect(shapes.size).toBe(6);
});

it('keeps every knot inside of its box, one piece over for each under', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const { under, over } = knotPaths(knotShape(name));
      expect(under.length).toBe(over.length);
      const numbers = [...under, ...over].flatMap((d) => d.slice(1).split(/[L ]/).map(Number));
      expect(numbers.every((each) => Math.abs(each) <= 1)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

it('keeps the letter readable on any accent', () => {
  const channel = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(channel, channel, channel, (red, green, blue) => {
      const accent = `#${[red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('')}`;
      const { deep, glyph } = portraitColors(accent);
      const [ground, letter] = [parseHex(deep), parseHex(glyph)];
      expect(ground !== undefined && letter !== undefined && contrast(ground, letter) >= 4.5).toBe(true);
    }),
  );
});

it('takes the first letter as people see it', () => {
  expect(firstGlyph('  wren')).toBe('W');
  expect(firstGlyph('👩‍🚀 Ada')).toBe('👩‍🚀');
  expect(firstGlyph('')).toBe('');
});
