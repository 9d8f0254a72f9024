/**
 * Verifies Merkle proofs as RFC 6962 (and RFC 9162, sections 2.1.3.2 and 2.1.4.2) defines them. Asks nobody: only hashes, sizes
 * and the proof. Sizes and places are whole numbers below 2^53.
 */
import { joinBytes, sameBytes, sha256 } from './bytes.ts';

export type Hash = Uint8Array<ArrayBuffer>;

/** What a leaf of the ledger's trees is made of is the 32 bytes of its entry's hash. */
export function leafHash(data: Uint8Array): Promise<Hash> {
  return sha256(joinBytes(LEAF, data));
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Hash> {
  return sha256(joinBytes(NODE, left, right));
}

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Whether the leaf stands at this index (from 0) of the tree of this size and root. */
export async function verifyInclusion(
  leaf: Hash,
  index: number,
  size: number,
  path: readonly Hash[],
  root: Hash,
): Promise<boolean> {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  let [place, last, found] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(place) || place === last) {
      found = await nodeHash(sibling, found);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      found = await nodeHash(found, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && sameBytes(found, root);
}

/** Whether the tree of the second size and root begins with the whole tree of the first. */
export async function verifyConsistency(
  first: { size: number; root: Hash },
  second: { size: number; root: Hash },
  path: readonly Hash[],
): Promise<boolean> {
  if (!isSize(first.size) || !isSize(second.size) || first.size > second.size) return false;
  if (first.size === second.size) return path.length === 0 && sameBytes(first.root, second.root);
  // The empty tree is the beginning of every one.
  if (first.size === 0) return path.length === 0 && sameBytes(first.root, await sha256(new Uint8Array()));
  let [place, last] = [first.size - 1, second.size - 1];
  while (isOdd(place)) [place, last] = [half(place), half(last)];
  // A first tree that is a whole subtree of the second is not repeated in the path.
  const rest = place === 0 ? [first.root, ...path] : [...path];
  const start = rest.shift();
  if (start === undefined) return false;
  let [foundFirst, foundSecond] = [start, start];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(place) || place === last) {
      foundFirst = await nodeHash(sibling, foundFirst);
      foundSecond = await nodeHash(sibling, foundSecond);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      foundSecond = await nodeHash(foundSecond, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && sameBytes(foundFirst, first.root) && sameBytes(foundSecond, second.root);
}
