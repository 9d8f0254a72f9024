import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredVector } from '../../db/memory/embeddings.ts';
import { VectorSpace } from './vector-space.ts';

const DIMENSIONS = 16;
function stored(place: number): StoredVector {
  const vector = new Uint8Array(new Float32Array(DIMENSIONS).fill(place).buffer);
  return {
    id: `id-${place}`,
    text: `text ${place}`,
    vector,
    objectType: 'message',
    objectId: null,
    meta: {},
    place,
    createdAtMs: place,
  };
}
/** What a worker would read. */
function readAll({ vectors, rows }: ReturnType<VectorSpace['view']>) {
  const values = new Float32Array(vectors.buffer);
  return Array.from({ length: vectors.rows }, (_, row) => [
    rows[row]?.id,
    values[row * DIMENSIONS],
    values[(row + 1) * DIMENSIONS - 1],
  ]);
}
const expected = (places: readonly number[]) => places.map((place) => [`id-${place}`, place, place]);

test('after any batches the newest rows stand in order, and views taken before still read what they read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 25 }),
      fc.integer({ min: 12, max: 60 }),
      (batches, maxRows) => {
        const space = new VectorSpace(DIMENSIONS, maxRows);
        const views: { view: ReturnType<VectorSpace['view']>; seen: unknown }[] = [];
        let place = 0;
        for (const size of batches) {
          space.append(Array.from({ length: size }, () => stored(++place)));
          expect(space.size).toBeLessThanOrEqual(maxRows);
          expect(space.lastPlace).toBe(place);
          const newest = Array.from({ length: space.size }, (_, index) => place - space.size + 1 + index);
          expect(readAll(space.view())).toEqual(expected(newest));
          if (place <= maxRows) expect(space.size).toBe(place);
          views.push({ view: space.view(), seen: readAll(space.view()) });
        }
        for (const { view, seen } of views) expect(readAll(view)).toEqual(seen);
      },
    ),
  );
});

test('rows that are here already are left out', () => {
  const space = new VectorSpace(DIMENSIONS, 100);
  space.append([stored(1), stored(4)]);
  space.append([stored(1), stored(4), stored(9)]);
  expect(readAll(space.view())).toEqual(expected([1, 4, 9]));
});

test('grows by doubling and counts its bytes', () => {
  const space = new VectorSpace(DIMENSIONS, 1_000);
  const sizes = new Set<number>();
  for (let place = 1; place <= 100; place++) {
    space.append([stored(place)]);
    sizes.add(space.view().vectors.buffer.byteLength / (DIMENSIONS * 4));
    expect(space.bytes).toBeGreaterThan(space.view().vectors.buffer.byteLength);
  }
  expect([...sizes]).toEqual([8, 16, 32, 64, 128]);
});

test('a vector of another length is refused', () => {
  const space = new VectorSpace(DIMENSIONS, 10);
  expect(() => space.append([{ ...stored(1), vector: new Uint8Array(8) }])).toThrow(RangeError);
});
