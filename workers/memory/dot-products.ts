/**
 * Dot products of one query with many rows. `scalarDots` is the plain reference; `DotKernel` does the same four lanes at a time
 * in WebAssembly, over a small window that vectors are copied into block by block, so that any SharedArrayBuffer can be
 * searched and the working set stays in the cache.
 */

/** Rows whose products are computed at once; a window of 256 dimensions is then 128 KiB, well inside the second-level cache. */
export const BLOCK_ROWS = 128;
const PAGE = 65_536;
const LANES = 16;

/** Reference: sums in the order of the dimensions, in double precision. */
export function scalarDots(query: Float32Array, rows: Float32Array, scores: Float32Array): void {
  const dimensions = query.length;
  for (let row = 0; row < scores.length; row++) {
    const start = row * dimensions;
    let sum = 0;
    for (let at = 0; at < dimensions; at++) sum += (query[at] ?? 0) * (rows[start + at] ?? 0);
    scores[row] = sum;
  }
}

type Dots = (query: number, window: number, scores: number, rows: number, rowBytes: number) => void;

/** For one number of dimensions, which is a multiple of 16. Not for use by two threads. */
export class DotKernel {
  readonly dimensions: number;
  readonly #window: Float32Array;
  readonly #query: Float32Array;
  readonly #scores: Float32Array;
  readonly #dots: Dots;

  constructor(dimensions: number) {
    if (dimensions % LANES !== 0)
      throw new RangeError(`Expected a multiple of ${LANES} dimensions, got ${dimensions}.`);
    this.dimensions = dimensions;
    const rowBytes = dimensions * 4;
    const windowBytes = BLOCK_ROWS * rowBytes;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((windowBytes + rowBytes + BLOCK_ROWS * 4) / PAGE) });
    this.#window = new Float32Array(memory.buffer, 0, BLOCK_ROWS * dimensions);
    this.#query = new Float32Array(memory.buffer, windowBytes, dimensions);
    this.#scores = new Float32Array(memory.buffer, windowBytes + rowBytes, BLOCK_ROWS);
    const instance = new WebAssembly.Instance(compiled(), { m: { m: memory } });
    this.#dots = instance.exports['dots'] as Dots;
  }

  setQuery(query: Float32Array): void {
    this.#query.set(query);
  }

  /** Scores of at most `BLOCK_ROWS` rows, in order. The array is used again by the next call. */
  dots(rows: Float32Array): Float32Array {
    const count = rows.length / this.dimensions;
    this.#window.set(rows);
    const queryAt = this.#query.byteOffset;
    this.#dots(queryAt, 0, this.#scores.byteOffset, count, this.dimensions * 4);
    return this.#scores.subarray(0, count);
  }
}

let wasm: WebAssembly.Module | undefined;
function compiled(): WebAssembly.Module {
  wasm ??= new WebAssembly.Module(moduleBytes());
  return wasm;
}

// --- The module, assembled here: there is no toolchain to install and nothing binary to trust. ---

const I32 = 0x7f;
const V128 = 0x7b;
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const constant = (value: number) => [0x41, ...signedLeb(value)];
const load = (offset: number) => [0xfd, 0x00, 0x04, ...leb(offset)];
const ADD_I32 = 0x6a;
const LESS_I32 = 0x49;
const MUL_F32X4 = [0xfd, ...leb(0xe6)];
const ADD_F32X4 = [0xfd, ...leb(0xe4)];
const LANE = (lane: number) => [0xfd, 0x1f, lane];
const ADD_F32 = 0x92;
const ZERO_V128 = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];

/**
 * `dots(query, row, scores, rows, rowBytes)`; all addresses in bytes. For each row: four sums of four lanes each, since one
 * addition takes four cycles and four are under way at a time; then the sixteen lanes are added up in a fixed order.
 */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const [query, row, scores, rows, rowBytes, rowEnd, at] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [first, second, third, fourth] = [7, 8, 9, 10] as const;
  const sums = [first, second, third, fourth];
  const step = sums.flatMap((sum, index) => [
    ...get(row),
    ...load(index * 16),
    ...get(at),
    ...load(index * 16),
    ...MUL_F32X4,
    ...get(sum),
    ...ADD_F32X4,
    ...set(sum),
  ]);
  const advance = (local: number, by: readonly number[]) => [...get(local), ...by, ADD_I32];
  // biome-ignore format: a line a step of the loop
  const body = [
    0x03, 0x40, // loop over rows
    ...advance(row, get(rowBytes)), ...set(rowEnd),
    ...get(query), ...set(at),
    ...sums.flatMap((sum) => [...ZERO_V128, ...set(sum)]),
    0x03, 0x40, // loop over sixteen dimensions
    ...step,
    ...advance(at, constant(64)), ...set(at),
    ...advance(row, constant(64)), ...tee(row), ...get(rowEnd), LESS_I32, 0x0d, 0x00,
    0x0b,
    ...get(first), ...get(second), ...ADD_F32X4, ...get(third), ...get(fourth), ...ADD_F32X4, ...ADD_F32X4, ...set(first),
    ...get(scores),
    ...get(first), ...LANE(0), ...get(first), ...LANE(1), ADD_F32,
    ...get(first), ...LANE(2), ...get(first), ...LANE(3), ADD_F32, ADD_F32,
    0x38, 0x02, 0x00, // f32.store
    ...advance(scores, constant(4)), ...set(scores),
    ...get(rows), ...constant(1), 0x6b, ...tee(rows), 0x0d, 0x00,
    0x0b,
  ];
  const locals = [2, 2, I32, 4, V128];
  const code = [...locals, ...body, 0x0b];
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00,
    ...section(1, [1, 0x60, 5, I32, I32, I32, I32, I32, 0]),
    ...section(2, [1, ...name('m'), ...name('m'), 0x02, 0x00, 0x01]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name('dots'), 0x00, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ]);
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >> 7)];
}
