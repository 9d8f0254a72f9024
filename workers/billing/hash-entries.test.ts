import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LedgerDraft } from '../tasks.ts';
import { canonicalBytes, genesisHash, hashEntries, hashEntry, SHARDS, shardOf } from './hash-entries.ts';

const draft: LedgerDraft = {
  entryId: '01890a5d-ac96-774b-bcce-b302099a8057',
  shard: 3,
  fromAccount: '11111111-1111-4111-8111-111111111113',
  toAccount: '22222222-2222-4222-8222-222222222222',
  asset: 'token',
  tokenAmount: 1_234,
  unitPriceMicro: 0,
  purpose: 'generation',
  status: 'settled',
  reversesId: null,
  conversationId: '33333333-3333-4333-8333-333333333333',
  messageId: null,
  generationId: '44444444-4444-4444-8444-444444444444',
  idempotencyKey: 'generation:44444444-4444-4444-8444-444444444444',
  createdAtMs: 1_767_225_600_000,
};

const nullable = fc.option(fc.uuid());
const drafts: fc.Arbitrary<LedgerDraft> = fc.record({
  entryId: fc.uuid(),
  shard: fc.integer({ min: 0, max: SHARDS - 1 }),
  fromAccount: fc.uuid(),
  toAccount: fc.uuid(),
  asset: fc.string({ unit: 'grapheme', maxLength: 8 }),
  tokenAmount: fc.maxSafeNat(),
  unitPriceMicro: fc.maxSafeNat(),
  purpose: fc.string({ unit: 'grapheme', maxLength: 8 }),
  status: fc.constantFrom('settled', 'reversed'),
  reversesId: nullable,
  conversationId: nullable,
  messageId: nullable,
  generationId: nullable,
  idempotencyKey: fc.string({ unit: 'grapheme', maxLength: 20 }),
  createdAtMs: fc.maxSafeNat(),
});

test('000-R13: the form of an entry is the documented one, byte by byte', () => {
  const hex = (id: string) => id.replaceAll('-', '');
  const uuid = (id: string | null) => (id === null ? 'ffffffff' : `00000010${hex(id)}`);
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return bytes.length.toString(16).padStart(8, '0') + bytes.toString('hex');
  };
  const integer = (value: number) => `00000008${value.toString(16).padStart(16, '0')}`;
  const prevHash = genesisHash(3);
  const expected = [
    '01',
    '0003',
    '0000000000000001',
    uuid(draft.entryId),
    uuid(draft.fromAccount),
    uuid(draft.toAccount),
    text('token'),
    integer(1_234),
    integer(0),
    text('generation'),
    text('settled'),
    uuid(null),
    uuid(draft.conversationId),
    uuid(null),
    uuid(draft.generationId),
    text(draft.idempotencyKey),
    integer(draft.createdAtMs),
    prevHash,
  ].join('');
  expect(canonicalBytes(draft, 1, prevHash).toString('hex')).toBe(expected);
  expect(hashEntry(draft, 1, prevHash)).toBe(createHash('sha256').update(expected, 'hex').digest('hex'));
});

test('000-R13: hashes never change between versions of the server', () => {
  expect(genesisHash(0)).toBe(createHash('sha256').update('tsumugi.token_ledger.v1.shard.0').digest('hex'));
  expect(hashEntry(draft, 1, genesisHash(3))).toMatchInlineSnapshot(
    `"e88388a702ef5866ed9984886319347c0512232f52a8aed97601909bad56bf39"`,
  );
});

test('a change of any field, of place or of predecessor changes the hash', () => {
  const changes: Partial<LedgerDraft>[] = [
    { entryId: draft.toAccount },
    { shard: 4 },
    { fromAccount: draft.toAccount },
    { toAccount: draft.fromAccount },
    { asset: 'tokem' },
    { tokenAmount: 1_235 },
    { unitPriceMicro: 1 },
    { purpose: 'generatiom' },
    { status: 'reversed' },
    { reversesId: draft.entryId },
    { conversationId: null },
    { messageId: draft.entryId },
    { generationId: null },
    { idempotencyKey: 'x' },
    { createdAtMs: 1 },
  ];
  expect(new Set(changes.flatMap((change) => Object.keys(change))).size).toBe(Object.keys(draft).length);
  const hashes = changes.map((change) => hashEntry({ ...draft, ...change }, 1, genesisHash(3)));
  hashes.push(
    hashEntry(draft, 1, genesisHash(3)),
    hashEntry(draft, 2, genesisHash(3)),
    hashEntry(draft, 1, genesisHash(4)),
  );
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('different entries never share a form', () => {
  fc.assert(
    fc.property(drafts, drafts, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      expect(canonicalBytes(a, 1, genesisHash(0)).equals(canonicalBytes(b, 1, genesisHash(0)))).toBe(same);
    }),
  );
  // Moving a letter from one field to the next is not the same.
  const moved = { ...draft, asset: 'toke', purpose: 'ngeneration' };
  expect(hashEntry(moved, 1, genesisHash(3))).not.toBe(hashEntry(draft, 1, genesisHash(3)));
});

test('entries continue their shards in order, however they are batched', () => {
  fc.assert(
    fc.property(fc.array(drafts, { maxLength: 40 }), fc.nat(40), (entries, cut) => {
      const heads = Array.from({ length: SHARDS }, (_, shard) => ({ shard, seq: 0, hash: genesisHash(shard) }));
      const whole = hashEntries(heads, entries);
      const first = hashEntries(heads, entries.slice(0, cut));
      const ends = heads.map((head) => first.findLast((entry) => entry.shard === head.shard) ?? head);
      expect([...first, ...hashEntries(ends, entries.slice(cut))]).toEqual(whole);
      for (const shard of heads) {
        const chain = whole.filter((entry) => entry.shard === shard.shard);
        expect(chain.map((entry) => entry.seq)).toEqual(chain.map((_, index) => index + 1));
        expect(chain.map((entry) => entry.prevHash)).toEqual(
          [shard.hash, ...chain.map((entry) => entry.hash)].slice(0, chain.length),
        );
      }
    }),
    { numRuns: 50 },
  );
});

test('what could not be read back the same is refused', () => {
  const bad: Partial<LedgerDraft>[] = [
    { entryId: 'x' },
    { fromAccount: draft.fromAccount.toUpperCase().replace('1', 'A') },
    { tokenAmount: 1.5 },
    { tokenAmount: 2 ** 53 },
    { purpose: '\ud800' },
    { shard: SHARDS },
    { createdAtMs: Number.NaN },
  ];
  for (const change of bad) expect(() => hashEntry({ ...draft, ...change }, 1, genesisHash(0))).toThrow(RangeError);
  expect(() => hashEntry(draft, 1, 'abc')).toThrow(RangeError);
  expect(() => hashEntries([], [draft])).toThrow(RangeError);
});

test('accounts spread over all shards, and always over the same one', () => {
  const ids = Array.from(
    { length: 256 },
    (_, index) => `11111111-1111-4111-8111-1111111111${index.toString(16).padStart(2, '0')}`,
  );
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(shardOf(id), (counts.get(shardOf(id)) ?? 0) + 1);
  expect([...counts.values()]).toEqual(new Array(SHARDS).fill(256 / SHARDS));
});
