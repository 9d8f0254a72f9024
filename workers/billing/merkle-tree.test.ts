/** The trees against RFC 6962: its known roots and paths, its definitions written down naively, and every small size. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leafHash, verifyConsistency, verifyInclusion } from '../../protocol/ledger-proof/merkle.ts';
import { consistencySpans, inclusionSpans, joinNodes, leafOf, MerkleTree, type Span } from './merkle-tree.ts';

const sha = (...parts: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const entry = (index: number) => sha(Buffer.from(`entry ${index}`));
const entries = Array.from({ length: 71 }, (_, index) => entry(index));

/** MTH of RFC 6962, section 2.1, as it stands there. */
function definedRoot(leaves: readonly Uint8Array[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return sha();
  if (leaves.length === 1) return sha(Buffer.of(0), first);
  const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  return sha(Buffer.of(1), definedRoot(leaves.slice(0, split)), definedRoot(leaves.slice(split)));
}
/** PATH of the same section. */
function definedPath(index: number, leaves: readonly Uint8Array[]): Buffer[] {
  if (leaves.length === 1) return [];
  const split = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...definedPath(index, left), definedRoot(right)]
    : [...definedPath(index - split, right), definedRoot(left)];
}
const bytes = (buffer: Uint8Array) => Uint8Array.from(buffer);
const treeOf = (leaves: readonly Uint8Array[]) => {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.append(leaf);
  return tree;
};
const hashSpan = ([from, to]: Span) => bytes(definedRoot(entries.slice(from, to)));
const roots = Array.from({ length: 71 }, (_, size) => bytes(definedRoot(entries.slice(0, size))));
const rootAt = (size: number) => roots[size] ?? new Uint8Array();

describe('known answers', () => {
  // The eight leaves and their roots that implementations of RFC 6962 share, from Certificate Transparency's own tests.
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
  const known = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];

  test('roots of the first eight trees', () => {
    const data = leaves.map((leaf) => Buffer.from(leaf, 'hex'));
    expect(known.map((_, size) => definedRoot(data.slice(0, size)).toString('hex'))).toEqual(known);
    expect(leafOf(Buffer.from('00', 'hex'))).toEqual(sha(Buffer.of(0, 0)));
    expect(new MerkleTree().root().toString('hex')).toBe(known[0]);
  });

  test('a path and a consistency proof of them hold for the verifier of the page', async () => {
    const hex = (text: string) => bytes(Buffer.from(text, 'hex'));
    const [, , , , , , , , root8 = ''] = known;
    const path = [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ];
    expect(await verifyInclusion(await leafHash(new Uint8Array()), 0, 8, path.map(hex), hex(root8))).toBe(true);
    const consistency = [path[2] ?? ''];
    const [first, second] = [
      { size: 4, root: hex(known[4] ?? '') },
      { size: 8, root: hex(root8) },
    ];
    expect(await verifyConsistency(first, second, consistency.map(hex))).toBe(true);
  });
});

describe('every size up to 70', () => {
  test('roots, whether grown at once or continued from the subtrees of any size', () => {
    for (let size = 0; size <= 70; size++) {
      expect(bytes(treeOf(entries.slice(0, size)).root())).toEqual(rootAt(size));
      const begun = treeOf(entries.slice(0, Math.floor(size / 3)));
      const continued = new MerkleTree(begun.size, begun.peaks);
      for (const leaf of entries.slice(begun.size, size)) continued.append(leaf);
      expect([continued.size, bytes(continued.root())]).toEqual([size, rootAt(size)]);
    }
  });

  test('inclusion proofs are the defined ones and verify; of another place, leaf or tree they do not', async () => {
    for (let size = 1; size <= 70; size++) {
      for (let index = 0; index < size; index++) {
        const path = inclusionSpans(index, size).map(hashSpan);
        expect(path).toEqual(definedPath(index, entries.slice(0, size)).map(bytes));
        const leaf = bytes(leafOf(entry(index)));
        expect(await verifyInclusion(leaf, index, size, path, rootAt(size))).toBe(true);
        if (size % 7 !== 3) continue;
        expect(await verifyInclusion(leaf, (index + 1) % size, size, path, rootAt(size))).toBe(size === 1);
        expect(await verifyInclusion(bytes(leafOf(entry(99))), index, size, path, rootAt(size))).toBe(false);
        expect(await verifyInclusion(leaf, index, size, [...path, leaf], rootAt(size))).toBe(false);
        if (path.length > 0) expect(await verifyInclusion(leaf, index, size, path.slice(1), rootAt(size))).toBe(false);
      }
    }
  });

  test('consistency proofs verify between all sizes; with another root they do not', async () => {
    for (let size = 1; size <= 70; size++) {
      for (let first = 0; first <= size; first++) {
        const path = consistencySpans(first, size).map(hashSpan);
        const [a, b] = [
          { size: first, root: rootAt(first) },
          { size, root: rootAt(size) },
        ];
        expect(await verifyConsistency(a, b, path)).toBe(true);
        if (size % 5 !== 2) continue;
        const wrong = bytes(entry(99));
        expect(await verifyConsistency({ ...a, root: wrong }, b, path)).toBe(false);
        // Everything begins with nothing.
        expect(await verifyConsistency(a, { ...b, root: wrong }, path)).toBe(first === 0);
        expect(await verifyConsistency(a, b, [...path, wrong])).toBe(false);
        if (path.length > 0) expect(await verifyConsistency(a, b, path.slice(0, -1))).toBe(false);
      }
    }
  });
});

test('any change of a proof is noticed', async () => {
  const changed = fc.record({
    size: fc.integer({ min: 2, max: 70 }),
    place: fc.nat(),
    node: fc.nat(),
    bit: fc.nat(255),
  });
  await fc.assert(
    fc.asyncProperty(changed, async ({ size, place, node, bit }) => {
      const index = place % size;
      const path = inclusionSpans(index, size).map(hashSpan);
      const broken = path[node % path.length];
      if (broken !== undefined) broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await verifyInclusion(bytes(leafOf(entry(index))), index, size, path, rootAt(size))).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test('nodes of 256 and 65,536 leaves are given once, when they are whole', () => {
  const nodes: string[] = [];
  const tree = new MerkleTree(0, undefined, (level, index, hash) => {
    nodes.push(`${level}.${index}`);
    if (level === 1 && index === 1) {
      const all = Array.from({ length: 256 }, (_, at) => entry(256 + at));
      expect(bytes(hash)).toEqual(bytes(definedRoot(all)));
    }
  });
  for (let index = 0; index < 65_536 + 300; index++) tree.append(entry(index));
  expect(nodes).toHaveLength(258);
  expect(nodes.slice(254, 258)).toEqual(['1.254', '1.255', '2.0', '1.256']);
  expect(() => new MerkleTree(3, tree.peaks)).toThrow(RangeError);
  expect(joinNodes(entry(1), entry(2))).toEqual(sha(Buffer.of(1), entry(1), entry(2)));
});
