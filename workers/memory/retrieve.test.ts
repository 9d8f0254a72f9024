import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Match, SharedVectors } from '../tasks.ts';
import { BLOCK_ROWS, DotKernel, scalarDots } from './dot-products.ts';
import { retrieve } from './retrieve.ts';
import { isBetter, TopMatches } from './top-matches.ts';

function shared(rows: readonly (readonly number[])[], dimensions: number, spare = 0): SharedVectors {
  const buffer = new SharedArrayBuffer((rows.length + spare) * dimensions * 4);
  new Float32Array(buffer).set(rows.flat());
  return { buffer, rows: rows.length, dimensions };
}

/** Small integers: sums are exact in every order of addition, so that ties are real ties. */
const small = fc.integer({ min: -3, max: 3 });
const matrix = (dimensions: number) =>
  fc.array(fc.array(small, { minLength: dimensions, maxLength: dimensions }), { maxLength: 2 * BLOCK_ROWS + 3 });

function bruteForce(namespaces: readonly SharedVectors[], query: Float32Array, top: number, minScore: number): Match[] {
  const all = namespaces.flatMap(({ buffer, rows, dimensions }, namespace) => {
    const scores = new Float32Array(rows);
    scalarDots(query, new Float32Array(buffer, 0, rows * dimensions), scores);
    return Array.from(scores, (score, row) => ({ namespace, row, score }));
  });
  const good = all.filter(({ score }) => score >= minScore);
  return good.sort((a, b) => (isBetter(a, b) ? -1 : 1)).slice(0, top);
}

describe('retrieve', () => {
  test.each([16, 48, 256, 20])('equals brute force with %i dimensions, ties included', (dimensions) => {
    fc.assert(
      fc.property(
        matrix(dimensions),
        matrix(dimensions),
        fc.array(small, { minLength: dimensions, maxLength: dimensions }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: -20, max: 20 }),
        (first, second, query, top, minScore) => {
          const namespaces = [shared(first, dimensions), shared(second, dimensions, 5)];
          const vector = Float32Array.from(query);
          const found = retrieve({ namespaces, query: vector, top, minScore });
          expect(found).toEqual(bruteForce(namespaces, vector, top, minScore));
        },
      ),
      { numRuns: dimensions === 256 ? 15 : 40 },
    );
  });

  test('does not read rows that are not valid yet', () => {
    const namespace = shared([new Array<number>(16).fill(1), new Array<number>(16).fill(9)], 16);
    const query = new Float32Array(16).fill(1);
    const found = retrieve({ namespaces: [{ ...namespace, rows: 1 }], query, top: 5, minScore: 0 });
    expect(found).toEqual([{ namespace: 0, row: 0, score: 16 }]);
  });

  test('embeds a text itself', () => {
    const namespaces = [shared([new Array<number>(256).fill(0.0625)], 256)];
    expect(retrieve({ namespaces, text: 'sea', top: 1, minScore: -2 })).toHaveLength(1);
    expect(retrieve({ namespaces: [], text: 'sea', top: 1, minScore: -2 })).toEqual([]);
  });

  test('a row that is not a number is never found', () => {
    const namespaces = [shared([new Array<number>(16).fill(Number.NaN), new Array<number>(16).fill(1)], 16)];
    const found = retrieve({ namespaces, query: new Float32Array(16).fill(1), top: 5, minScore: -1 });
    expect(found.map(({ row }) => row)).toEqual([1]);
  });

  test('refuses shapes that do not fit', () => {
    const namespace = shared([new Array<number>(16).fill(1)], 16);
    const ask = (changed: SharedVectors) => () =>
      retrieve({ namespaces: [namespace, changed], query: new Float32Array(16), top: 1, minScore: 0 });
    expect(ask({ ...namespace, rows: 2 })).toThrow(RangeError);
    expect(ask({ ...namespace, dimensions: 32 })).toThrow(RangeError);
  });
});

test('the WebAssembly kernel agrees with the scalar one to single precision', () => {
  const finite = fc.float({ min: -1, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc
        .constantFrom(16, 64, 256, 1_536)
        .chain((dimensions) =>
          fc.tuple(
            fc.float32Array({ minLength: dimensions, maxLength: dimensions, min: -1, max: 1, noNaN: true }),
            fc.integer({ min: 1, max: BLOCK_ROWS }),
            finite,
          ),
        ),
      ([query, count, seed]) => {
        const rows = Float32Array.from({ length: count * query.length }, (_, at) => Math.sin(at * 12.9898 + seed));
        const kernel = new DotKernel(query.length);
        kernel.setQuery(query);
        const expected = new Float32Array(count);
        scalarDots(query, rows, expected);
        const got = kernel.dots(rows);
        expect(got).toHaveLength(count);
        const worst = Math.max(...got.map((score, at) => Math.abs(score - (expected[at] ?? 0))));
        expect(worst).toBeLessThan(1e-3);
      },
    ),
    { numRuns: 30 },
  );
  expect(() => new DotKernel(20)).toThrow(RangeError);
});

test('the best of a stream are kept in any order of arrival', () => {
  const scores = fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 60 });
  fc.assert(
    fc.property(scores, fc.integer({ min: 0, max: 12 }), fc.integer(), (values, limit, seed) => {
      const matches = values.map((score, row) => ({ namespace: row % 2, row, score }));
      const shuffled = matches.toSorted((a, b) => Math.sin(a.row + seed) - Math.sin(b.row + seed));
      const best = new TopMatches(limit, 1);
      for (const { namespace, row, score } of shuffled) best.offer(namespace, row, score);
      const expected = matches.filter(({ score }) => score >= 1).sort((a, b) => (isBetter(a, b) ? -1 : 1));
      expect(best.sorted()).toEqual(expected.slice(0, limit));
    }),
  );
});
