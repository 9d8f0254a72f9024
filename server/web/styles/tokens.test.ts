import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { contrast, parseHex, type Rgb } from '../avatars/color.ts';

const css = readFileSync(fileURLToPath(new URL('./tokens.css', import.meta.url)), 'utf8');

/** The colours of the block that begins with `selector`. */
function colorsOf(selector: string): Map<string, Rgb> {
  const start = css.indexOf(selector);
  expect(start, selector).toBeGreaterThanOrEqual(0);
  const block = css.slice(css.indexOf('{', start) + 1, css.indexOf('}', start));
  const colors = new Map<string, Rgb>();
  for (const [, name = '', hex = ''] of block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)) {
    const color = parseHex(hex);
    if (color !== undefined) colors.set(name, color);
  }
  return colors;
}

const light = colorsOf(':root {');
const dark = new Map([...light, ...colorsOf(':root[data-theme="dark"] {')]);

/** What stands on what, with the least contrast that WCAG AA asks for. */
const pairs: readonly (readonly [text: string, grounds: readonly string[], least: number])[] = [
  ['ink', ['silk', 'silk-deep', 'paper', 'indigo-wash', 'thread-wash'], 7],
  ['ink-soft', ['silk', 'silk-deep', 'paper', 'indigo-wash'], 4.5],
  ['ink-faint', ['silk', 'silk-deep', 'paper', 'indigo-wash'], 4.5],
  ['indigo', ['silk', 'paper'], 4.5],
  ['indigo-ink', ['indigo'], 4.5],
  ['thread-ink', ['thread'], 4.5],
  ['wrong', ['silk', 'paper', 'thread-wash'], 4.5],
  ['good', ['paper'], 4.5],
  ['loom-ink', ['loom'], 7],
  // Edges of fields and what only marks a place.
  ['line-strong', ['paper', 'silk'], 3],
  ['thread', ['silk', 'paper'], 3],
];

describe.each([
  ['light', light],
  ['dark', dark],
] as const)('%s', (_, colors) => {
  it.each(pairs)('%s can be told from what it stands on', (text, grounds, least) => {
    for (const ground of grounds) {
      const [a, b] = [colors.get(text), colors.get(ground)];
      expect(a !== undefined && b !== undefined ? contrast(a, b) : 0, `${text} on ${ground}`).toBeGreaterThanOrEqual(
        least,
      );
    }
  });
});

it('says the same for the chosen dark and for the system’s', () => {
  expect(colorsOf(':root:not([data-theme="light"]) {')).toEqual(colorsOf(':root[data-theme="dark"] {'));
});
