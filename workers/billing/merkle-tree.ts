/**
 * The Merkle tree of a shard (RFC 6962, section 2.1), without its leaves: the roots of the whole subtrees that it consists of.
 * Appending costs one node on average, the root at most one for each of them. Pure.
 *
 * The data of a leaf is the 32 bytes of an entry's hash: leaf = SHA-256(0x00 || hash), node = SHA-256(0x01 || left || right).
 */
import { hash } from 'node:crypto';

/** Stored nodes lie this many levels of the tree apart: each stands for 256 of the level below. */
export const NODE_HEIGHT = 8;
export const NODE_WIDTH = 2 ** NODE_HEIGHT;
const HASH_BYTES = 32;
/** More than a number can count. */
const MAX_HEIGHT = 54;

/** Called for each subtree of 256, 256², … leaves when it is whole; `hash` is only valid within the call. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void;

const leafInput = Buffer.alloc(1 + HASH_BYTES);
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

export class MerkleTree {
  /** Whole subtrees from the left, one behind the other. */
  readonly #peaks = Buffer.alloc(MAX_HEIGHT * HASH_BYTES);
  readonly #onNode: OnNode | undefined;
  #count = 0;
  #size = 0;

  /** @param peaks as `peaks` gives them; none for the empty tree. */
  constructor(size = 0, peaks: Uint8Array = new Uint8Array(), onNode?: OnNode) {
    if (peaks.length !== bitsOf(size) * HASH_BYTES)
      throw new RangeError(`A tree of ${size} leaves has other subtrees than these.`);
    this.#size = size;
    this.#count = bitsOf(size);
    this.#peaks.set(peaks);
    this.#onNode = onNode;
  }

  get size(): number {
    return this.#size;
  }

  /** All that is needed to go on. */
  get peaks(): Uint8Array {
    return Uint8Array.from(this.#peaks.subarray(0, this.#count * HASH_BYTES));
  }

  /** Appends the leaf of an entry. @param entryHash 32 bytes from `at` on. */
  append(entryHash: Uint8Array, at = 0): void {
    for (let index = 0; index < HASH_BYTES; index++) leafInput[1 + index] = entryHash[at + index] ?? 0;
    this.#peaks.write(hash('sha256', leafInput, 'binary'), this.#count * HASH_BYTES, 'latin1');
    this.#count += 1;
    let rest = this.#size;
    let height = 0;
    // As many subtrees become one as the size has ones at its end.
    while (rest % 2 === 1) {
      this.#joinLast();
      rest = (rest - 1) / 2;
      height += 1;
      if (height % NODE_HEIGHT === 0 && this.#onNode !== undefined) {
        const start = (this.#count - 1) * HASH_BYTES;
        this.#onNode(height / NODE_HEIGHT, rest, this.#peaks.subarray(start, start + HASH_BYTES));
      }
    }
    this.#size += 1;
  }

  /** SHA-256 of nothing for the empty tree. */
  root(): Buffer {
    if (this.#count === 0) return hash('sha256', new Uint8Array(), 'buffer');
    let found = Buffer.from(this.#peaks.subarray((this.#count - 1) * HASH_BYTES, this.#count * HASH_BYTES));
    for (let peak = this.#count - 2; peak >= 0; peak--)
      found = joinNodes(this.#peaks.subarray(peak * HASH_BYTES, (peak + 1) * HASH_BYTES), found);
    return found;
  }

  #joinLast(): void {
    const left = (this.#count - 2) * HASH_BYTES;
    this.#peaks.copy(nodeInput, 1, left, left + 2 * HASH_BYTES);
    this.#peaks.write(hash('sha256', nodeInput, 'binary'), left, 'latin1');
    this.#count -= 1;
  }
}

export function leafOf(entryHash: Uint8Array): Buffer<ArrayBuffer> {
  return hash('sha256', Buffer.concat([LEAF, entryHash]), 'buffer') as Buffer<ArrayBuffer>;
}

export function joinNodes(left: Uint8Array, right: Uint8Array): Buffer<ArrayBuffer> {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer') as Buffer<ArrayBuffer>;
}
const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** The leaves from `from` up to, without, `to`: one node of a proof. */
export type Span = readonly [from: number, to: number];

/** What has to be hashed for PATH(index, D[size]) of RFC 6962, from the leaf up. */
export function inclusionSpans(index: number, size: number): Span[] {
  const path: Span[] = [];
  let [from, to] = [0, size];
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      path.unshift([middle, to]);
      to = middle;
    } else {
      path.unshift([from, middle]);
      from = middle;
    }
  }
  return path;
}

/** What has to be hashed for PROOF(first, D[size]) of RFC 6962; nothing for 0 and for the same size. */
export function consistencySpans(first: number, size: number): Span[] {
  if (first === 0 || first === size) return [];
  const path: Span[] = [];
  let [from, to] = [0, size];
  let isWhole = true;
  while (first !== to) {
    const middle = from + splitOf(to - from);
    if (first <= middle) {
      path.unshift([middle, to]);
      to = middle;
    } else {
      path.unshift([from, middle]);
      from = middle;
      isWhole = false;
    }
  }
  return isWhole ? path : [[from, to], ...path];
}

/** The largest power of two below. */
function splitOf(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}
