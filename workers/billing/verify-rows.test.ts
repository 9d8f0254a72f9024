/** Lines of an export: right ones verify, whatever their texts hold, and each kind of change is found at its place. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LedgerDraft } from '../tasks.ts';
import { genesisHash, hashEntries, SHARDS } from './hash-entries.ts';
import { MerkleTree } from './merkle-tree.ts';
import { exportLine, genesisPlace, RowVerifier, verifyRows } from './verify-rows.ts';

const everyShard = Array.from({ length: SHARDS }, (_, shard) => genesisPlace(shard));
const heads = everyShard.map(({ shard, seq, hash }) => ({ shard, seq, hash }));

const nullable = fc.option(fc.uuid());
// PostgreSQL keeps no U+0000; everything else may stand in a text.
const words = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '\\').toWellFormed());
const drafts: fc.Arbitrary<LedgerDraft> = fc.record({
  entryId: fc.uuid(),
  shard: fc.integer({ min: 0, max: SHARDS - 1 }),
  fromAccount: fc.uuid(),
  toAccount: fc.uuid(),
  asset: words,
  tokenAmount: fc.maxSafeNat(),
  unitPriceMicro: fc.integer(),
  purpose: words,
  status: fc.constantFrom('settled', 'reversed'),
  reversesId: nullable,
  conversationId: nullable,
  messageId: nullable,
  generationId: nullable,
  idempotencyKey: fc
    .oneof(words, fc.string({ unit: 'grapheme', maxLength: 30 }))
    .map((text) => text.replaceAll('\0', '')),
  createdAtMs: fc.maxSafeInteger(),
});

type Row = { entry: LedgerDraft; seq: number; prevHash: string; hash: string };
const rowsOf = (entries: readonly LedgerDraft[]): Row[] =>
  hashEntries(heads, entries).map((hashed, index) => ({ entry: entries[index] as LedgerDraft, ...hashed }));
const lineOf = ({ entry, seq, prevHash, hash }: Row) =>
  exportLine([
    1,
    entry.shard,
    seq,
    entry.entryId,
    entry.fromAccount,
    entry.toAccount,
    entry.asset,
    entry.tokenAmount,
    entry.unitPriceMicro,
    entry.purpose,
    entry.status,
    entry.reversesId,
    entry.conversationId,
    entry.messageId,
    entry.generationId,
    entry.idempotencyKey,
    entry.createdAtMs,
    prevHash,
    hash,
  ]);
const verified = (lines: readonly string[]) =>
  verifyRows({ rows: Buffer.from(lines.join('')), starts: everyShard, stops: [] });
const plain = (index: number): LedgerDraft => ({
  entryId: `01890a5d-ac96-774b-bcce-${index.toString(16).padStart(12, '0')}`,
  shard: 2,
  fromAccount: '11111111-1111-4111-8111-111111111112',
  toAccount: '22222222-2222-4222-8222-222222222222',
  asset: 'token',
  tokenAmount: 10 + index,
  unitPriceMicro: 0,
  purpose: 'generation',
  status: 'settled',
  reversesId: null,
  conversationId: null,
  messageId: null,
  generationId: null,
  idempotencyKey: `generation:${index}`,
  createdAtMs: 1_767_225_600_000 + index,
});

test('000-R13: whatever entries hold, what was hashed from fields verifies from lines, also in pieces', () => {
  fc.assert(
    fc.property(fc.array(drafts, { maxLength: 30 }), fc.nat(30), (entries, cut) => {
      const rows = rowsOf(entries);
      const whole = verified(rows.map(lineOf));
      expect(whole.faults).toEqual([]);
      for (const { shard, seq, hash, peaks } of whole.places) {
        const chain = rows.filter(({ entry }) => entry.shard === shard);
        expect([seq, hash]).toEqual([chain.length, chain.at(-1)?.hash ?? genesisHash(shard)]);
        const tree = new MerkleTree();
        for (const row of chain) tree.append(Buffer.from(row.hash, 'hex'));
        expect(peaks).toEqual(tree.peaks);
      }
      const first = verified(rows.slice(0, cut).map(lineOf));
      const rest = Buffer.from(rows.slice(cut).map(lineOf).join(''));
      expect(verifyRows({ rows: rest, starts: first.places, stops: [] }).places).toEqual(whole.places);
    }),
    { numRuns: 60 },
  );
});

describe('000-R28: the first fault is named', () => {
  const rows = rowsOf(Array.from({ length: 6 }, (_, index) => plain(index)));
  const lines = rows.map(lineOf);
  const edited = (at: number, change: (line: string) => string) =>
    lines.map((line, index) => (index === at ? change(line) : line));
  const columns = (lines[3] ?? '').trimEnd().split('\t');

  test('a change of any column of any line', () => {
    for (const [column, value] of columns.entries()) {
      const changed =
        value === '\\N'
          ? '33333333-3333-4333-8333-333333333333'
          : value.replace(/.$/, (last) => (last === '4' ? '5' : '4'));
      const line = `${columns.with(column, changed).join('\t')}\n`;
      const { faults } = verified(edited(3, () => line));
      // The number of the shard decides which chain it is said to belong to.
      const place = column === 1 ? { shard: 4, seq: 1 } : { shard: 2, seq: 4 };
      expect(faults[0], `column ${column}`).toMatchObject(place);
    }
  });

  test.each([
    ['one is deleted', lines.toSpliced(3, 1), 'entry 5 stands there'],
    ['two are swapped', lines.with(3, lines[4] ?? '').with(4, lines[3] ?? ''), 'entry 5 stands there'],
    ['one stands there twice', lines.toSpliced(3, 0, lines[2] ?? ''), 'entry 3 stands there'],
    ['a line ends early', edited(3, (line) => `${line.slice(0, 90)}\n`), 'cannot be read'],
    ['a line is empty', lines.toSpliced(3, 0, '\n'), 'cannot be read'],
    ['a column too many', edited(3, (line) => `${line.trimEnd()}\tx\n`), 'more than a line has'],
    ['a zero stands in front', edited(3, (line) => line.replace('\t13\t', '\t013\t')), 'safe integer'],
    ['letters are large', edited(3, (line) => line.toUpperCase()), 'UUID'],
  ])('%s', (_what, changed, problem) => {
    const { faults, places } = verified(changed);
    expect(faults).toMatchObject([{ shard: 2, seq: 4, problem: expect.stringContaining(problem) }]);
    // It stays at the last entry that is right.
    expect(places[2]).toMatchObject({ seq: 3, hash: rows[2]?.hash });
  });

  test('roots are given where they are asked for, and only of what is right', () => {
    const stops = [1, 4, 6, 7].map((size) => ({ shard: 2, size }));
    const right = new RowVerifier(everyShard, stops);
    right.push(Buffer.from(lines.join('')));
    expect([right.rows, right.isFaulty(2), right.roots.map(({ size }) => size)]).toEqual([6, false, [1, 4, 6]]);
    const first = createHash('sha256')
      .update('00', 'hex')
      .update(rows[0]?.hash ?? '', 'hex')
      .digest();
    expect(right.roots[0]?.root).toEqual(Uint8Array.from(first));
    const wrong = verifyRows({
      rows: Buffer.from(edited(4, (line) => line.replace('token', 'tokem')).join('')),
      starts: everyShard,
      stops,
    });
    expect(wrong.roots.map(({ size }) => size)).toEqual([1, 4]);
  });
});
