/** Task `memory/retrieve`: exact top-k over shared vectors. Reads the rows it is told are valid, and nothing behind them. */
import type { Match, SharedVectors, Tasks } from '../tasks.ts';
import { BLOCK_ROWS, DotKernel, scalarDots } from './dot-products.ts';
import { embedTexts } from './embed-text.ts';
import { TopMatches } from './top-matches.ts';

/** One kernel a number of dimensions: there are one or two in a process. */
const kernels = new Map<number, DotKernel>();

/**
 * Best first; equal scores by namespace, then row.
 * @throws RangeError when query and namespaces differ in dimensions, or a buffer is shorter than its rows.
 */
export function retrieve(input: Tasks['memory/retrieve']['input']): Match[] {
  const { namespaces, top, minScore } = input;
  const dimensions = namespaces[0]?.dimensions;
  if (dimensions === undefined) return [];
  const query = input.query ?? embedTexts([input.text ?? ''], dimensions)[0] ?? new Float32Array(dimensions);
  const best = new TopMatches(top, minScore);
  const scoreBlock = blockScorer(query);
  for (const [index, namespace] of namespaces.entries()) {
    checkShape(namespace, query.length);
    scan(namespace, index, scoreBlock, best);
  }
  return best.sorted();
}

function scan(namespace: SharedVectors, index: number, scoreBlock: BlockScorer, best: TopMatches): void {
  const { buffer, rows, dimensions } = namespace;
  const values = new Float32Array(buffer, 0, rows * dimensions);
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    const end = Math.min(start + BLOCK_ROWS, rows);
    const scores = scoreBlock(values.subarray(start * dimensions, end * dimensions));
    for (let row = 0; row < scores.length; row++) {
      const score = scores[row] ?? 0;
      if (score >= best.floor) best.offer(index, start + row, score);
    }
  }
}

type BlockScorer = (rows: Float32Array) => Float32Array;

function blockScorer(query: Float32Array): BlockScorer {
  const dimensions = query.length;
  if (dimensions % 16 !== 0) {
    const scores = new Float32Array(BLOCK_ROWS);
    return (rows) => {
      const part = scores.subarray(0, rows.length / dimensions);
      scalarDots(query, rows, part);
      return part;
    };
  }
  let kernel = kernels.get(dimensions);
  if (kernel === undefined) {
    kernel = new DotKernel(dimensions);
    kernels.set(dimensions, kernel);
  }
  kernel.setQuery(query);
  return (rows) => kernel.dots(rows);
}

function checkShape({ buffer, rows, dimensions }: SharedVectors, expected: number): void {
  if (dimensions !== expected) throw new RangeError(`Expected ${expected} dimensions, got ${dimensions}.`);
  if (buffer.byteLength < rows * dimensions * 4) throw new RangeError('The buffer is shorter than its rows.');
}
