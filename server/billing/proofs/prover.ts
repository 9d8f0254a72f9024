/** Reads the hashes that proofs consist of out of the database: at most a few hundred rows for one, however long the chain is. */
import { readEntryHashes, readTreeNodes } from '../../../db/billing/proofs/tree.ts';
import type { Tx } from '../../../db/client.ts';
import {
  consistencySpans,
  inclusionSpans,
  joinNodes,
  leafOf,
  NODE_WIDTH,
  type Span,
} from '../../../workers/billing/merkle-tree.ts';

/** The stored nodes and entries do not reach as far as a checkpoint says. */
export class TreeIncomplete extends Error {
  override readonly name = 'TreeIncomplete';
}

/** For one proof: what was read is kept, since the parts of a proof lie side by side. */
export class Prover {
  readonly #tx: Tx;
  readonly #shard: number;
  readonly #read = new Map<string, Promise<Buffer[]>>();

  constructor(tx: Tx, shard: number) {
    this.#tx = tx;
    this.#shard = shard;
  }

  /** @param size of a signed tree, at least 1. */
  root(size: number): Promise<Buffer> {
    return this.#hash([0, size], size);
  }

  /** The whole subtrees of a tree, one behind the other: what `MerkleTree` goes on from. */
  async peaks(size: number): Promise<Buffer> {
    const spans: Span[] = [];
    let [from, width] = [0, 1];
    while (width * 2 <= size) width *= 2;
    for (; width >= 1; width /= 2) {
      if (size - from < width) continue;
      spans.push([from, from + width]);
      from += width;
    }
    return Buffer.concat(await this.#hashes(spans, size));
  }

  /** @param index from 0. @returns the path from the leaf up */
  inclusion(index: number, size: number): Promise<Buffer[]> {
    return this.#hashes(inclusionSpans(index, size), size);
  }

  consistency(first: number, size: number): Promise<Buffer[]> {
    return this.#hashes(consistencySpans(first, size), size);
  }

  #hashes(spans: readonly Span[], size: number): Promise<Buffer[]> {
    return Promise.all(spans.map((span) => this.#hash(span, size)));
  }

  /** Of a span that RFC 6962 splits a tree into: it begins at a multiple of its width, rounded up to a power of two. */
  async #hash([from, to]: Span, size: number): Promise<Buffer> {
    let level = 0;
    while (NODE_WIDTH ** (level + 1) <= to - from) level += 1;
    const parts: Promise<Buffer[]>[] = [];
    let at = from;
    for (; level >= 0; level--) {
      const width = NODE_WIDTH ** level;
      const count = Math.floor((to - at) / width);
      if (count === 0) continue;
      parts.push(this.#nodes(level, at / width, count, size));
      at += count * width;
    }
    // From the narrowest up: what they give is the last, narrower node of the level above.
    const levels = await Promise.all(parts);
    return foldNodes(
      levels.reduceRight<Buffer[]>((rest, nodes) => [...nodes, ...(rest.length > 0 ? [foldNodes(rest)] : [])], []),
    );
  }

  async #nodes(level: number, from: number, count: number, size: number): Promise<Buffer[]> {
    // Those of one span lie under one node of the level above.
    const start = from - (from % NODE_WIDTH);
    const end = Math.min(start + NODE_WIDTH, Math.floor(size / NODE_WIDTH ** level));
    const key = `${level}.${start}.${end}`;
    const reading = this.#read.get(key) ?? this.#readNodes(level, start, end);
    this.#read.set(key, reading);
    return (await reading).slice(from - start, from - start + count);
  }

  async #readNodes(level: number, from: number, to: number): Promise<Buffer[]> {
    const hashes =
      level === 0
        ? (await readEntryHashes(this.#tx, this.#shard, from, to)).map(leafOf)
        : await readTreeNodes(this.#tx, this.#shard, level, from, to);
    if (hashes.length !== to - from)
      throw new TreeIncomplete(`Shard ${this.#shard} lacks nodes of level ${level} from ${from} to ${to}.`);
    return hashes;
  }
}

/** The last one may stand for fewer leaves than the others. */
function foldNodes(nodes: readonly Buffer[]): Buffer {
  const [first] = nodes;
  if (first === undefined) throw new RangeError('A span has leaves.');
  if (nodes.length === 1) return first;
  let split = 1;
  while (split * 2 < nodes.length) split *= 2;
  return joinNodes(foldNodes(nodes.slice(0, split)), foldNodes(nodes.slice(split)));
}
