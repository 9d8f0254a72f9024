/** Proofs out of stored nodes, for trees of more than one and two levels of them, against the tree grown leaf by leaf. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { putTreeNodes, type TreeNode } from '../../../db/billing/proofs/tree.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { verifyConsistency, verifyInclusion } from '../../../protocol/ledger-proof/merkle.ts';
import { leafOf, MerkleTree } from '../../../workers/billing/merkle-tree.ts';
import { Prover, TreeIncomplete } from './prover.ts';

const SIZE = 66_000;
const shard = 5;
const hashOf = (seq: number) => createHash('sha256').update(String(seq)).digest();
const checked = [1, 2, 255, 256, 257, 258, 300, 511, 512, 513, 1_000, 4_096, 65_535, 65_536, 65_537, 65_792, SIZE];
const roots = new Map<number, Uint8Array<ArrayBuffer>>();
const peaks = new Map<number, Uint8Array>();
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  const owner = postgres(database.ownerUrl, { max: 1, onnotice: () => {} });
  // Only places and hashes matter here.
  await owner`
    insert into billing.token_ledger (shard, seq, id, from_account, to_account, asset, token_amount, purpose, status, idempotency_key, hash,
      prev_hash, hash_version, created_at)
    select ${shard}, seq, gen_random_uuid(), '00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000001', 'token', 1,
      'generation', 'settled', seq::text, sha256(convert_to(seq::text, 'UTF8')), sha256(''), 1, date_trunc('milliseconds', now())
    from generate_series(1, ${SIZE}) as seq`;
  await owner.end();
  const nodes: TreeNode[] = [];
  const tree = new MerkleTree(0, undefined, (level, index, hash) => {
    nodes.push({ level, index, hash: Buffer.from(hash).toString('hex') });
  });
  for (let seq = 1; seq <= SIZE; seq++) {
    tree.append(hashOf(seq));
    if (!checked.includes(seq)) continue;
    roots.set(seq, Uint8Array.from(tree.root()));
    peaks.set(seq, tree.peaks);
  }
  await database.database.asService((tx) => putTreeNodes(tx, shard, nodes));
});
afterAll(() => database.close());

const prove = <T>(work: (prover: Prover) => Promise<T>) =>
  database.database.asService((tx) => work(new Prover(tx, shard)));
const plain = (hashes: readonly Buffer[]) => hashes.map((hash) => Uint8Array.from(hash));

test('roots and subtrees of every size are those of the tree', async () => {
  for (const size of checked) {
    expect(Uint8Array.from(await prove((prover) => prover.root(size)))).toEqual(roots.get(size));
    expect(Uint8Array.from(await prove((prover) => prover.peaks(size)))).toEqual(peaks.get(size));
  }
});

test('000-R28: any entry is proven in any tree, and any tree to begin with a smaller one', async () => {
  const sizes = fc.constantFrom(...checked);
  await fc.assert(
    fc.asyncProperty(sizes, sizes, fc.nat(SIZE), async (a, b, place) => {
      const [first, size] = [Math.min(a, b), Math.max(a, b)];
      const index = place % size;
      const path = plain(await prove((prover) => prover.inclusion(index, size)));
      const leaf = Uint8Array.from(leafOf(hashOf(index + 1)));
      const root = roots.get(size) ?? new Uint8Array();
      expect(await verifyInclusion(leaf, index, size, path, root)).toBe(true);
      const growth = plain(await prove((prover) => prover.consistency(first, size)));
      const smaller = { size: first, root: roots.get(first) ?? new Uint8Array() };
      expect(await verifyConsistency(smaller, { size, root }, growth)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('what is not there is not made up', async () => {
  await expect(prove((prover) => prover.root(SIZE + 1))).rejects.toThrow(TreeIncomplete);
});
