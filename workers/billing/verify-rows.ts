/**
 * Task `billing/verify-rows`: recomputes every hash, the chains and the Merkle trees of the ledger from exported lines. Pure: the
 * offline verifier runs it over a file, the server over what PostgreSQL hands out.
 * A chain is judged up to its first fault; everything behind it would differ as well.
 */
import { hash } from 'node:crypto';
import { SHARDS } from '../../protocol/ledger-proof/entry-form.ts';
import type { ChainFault, ChainPlace, RowsToVerify, TreeRoot, TreeStop, VerifiedRows, WholeSubtree } from '../tasks.ts';
import { genesisHash } from './hash-entries.ts';
import { MerkleTree } from './merkle-tree.ts';
import { RowReader } from './row-reader.ts';

type Chain = { seq: number; end: Buffer; tree: MerkleTree; stops: number[]; faulty: boolean };

const HASH_BYTES = 32;
const LINE_BREAK = 10;

export const genesisPlace = (shard: number): ChainPlace => ({
  shard,
  seq: 0,
  hash: genesisHash(shard),
  peaks: new Uint8Array(),
});

export class RowVerifier {
  readonly faults: ChainFault[] = [];
  readonly roots: TreeRoot[] = [];
  readonly #subtrees: WholeSubtree[] = [];
  readonly #chains: (Chain | undefined)[] = Array.from({ length: SHARDS }, () => undefined);
  readonly #reader = new RowReader();
  #rows = 0;
  #lastShard = 0;

  /** @param stops sizes that lie behind the start of their chain. */
  constructor(starts: readonly ChainPlace[], stops: readonly TreeStop[] = []) {
    for (const { shard, seq, hash: end, peaks } of starts) {
      const own = stops.filter((stop) => stop.shard === shard && stop.size > seq).map(({ size }) => size);
      this.#chains[shard] = {
        seq,
        end: Buffer.from(end, 'hex'),
        tree: new MerkleTree(seq, peaks, (level, index, root) =>
          this.#subtrees.push({ shard, level, index, hash: Buffer.from(root).toString('hex') }),
        ),
        // The next one last.
        stops: [...new Set(own)].sort((a, b) => b - a),
        faulty: false,
      };
    }
  }

  get rows(): number {
    return this.#rows;
  }

  /** @returns where the chains stand now: of a faulty one, the last entry that is right. */
  get places(): ChainPlace[] {
    return this.#chains.flatMap((chain, shard) =>
      chain === undefined ? [] : [{ shard, seq: chain.seq, hash: chain.end.toString('hex'), peaks: chain.tree.peaks }],
    );
  }

  /** Those that have become whole since the last call. */
  takeSubtrees(): WholeSubtree[] {
    return this.#subtrees.splice(0);
  }

  isFaulty(shard: number): boolean {
    return this.#chains[shard]?.faulty ?? false;
  }

  /** @param bytes whole lines, each with its line break. */
  push(bytes: Uint8Array): void {
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf(LINE_BREAK, start);
      if (end === -1) throw new RangeError('The last line has no end.');
      this.#rows += 1;
      this.#line(bytes, start, end);
      start = end + 1;
    }
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    try {
      reader.read(bytes, start, end);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // A line that cannot be read belongs where the one before it stood.
      const shard = reader.shard === -1 ? this.#lastShard : reader.shard;
      this.#fail(shard, `a line cannot be read: ${error.message}`);
      return;
    }
    const { shard, seq } = reader;
    this.#lastShard = shard;
    const chain = this.#chains[shard];
    if (chain === undefined) throw new RangeError(`Shard ${shard} is not among those to verify.`);
    if (chain.faulty) return;
    if (seq !== chain.seq + 1) {
      this.#fail(shard, `the entry is missing or out of its place: entry ${seq} stands there`);
      return;
    }
    this.#check(chain, shard);
  }

  #check(chain: Chain, shard: number): void {
    const { form, length, stated } = this.#reader;
    if (chain.end.compare(form, length - HASH_BYTES, length) !== 0) {
      this.#fail(shard, 'the entry does not continue from the one before it');
      return;
    }
    const found = hash('sha256', form.subarray(0, length), 'binary');
    chain.end.write(found, 0, 'latin1');
    if (chain.end.compare(stated) !== 0) {
      // The end stays that of the last right entry.
      form.copy(chain.end, 0, length - HASH_BYTES, length);
      this.#fail(shard, 'the entry does not match its hash');
      return;
    }
    chain.tree.append(stated);
    chain.seq += 1;
    if (chain.stops.at(-1) !== chain.seq) return;
    chain.stops.pop();
    this.roots.push({ shard, size: chain.seq, root: Uint8Array.from(chain.tree.root()) });
  }

  #fail(shard: number, problem: string): void {
    const chain = this.#chains[shard];
    if (chain === undefined || chain.faulty) return;
    chain.faulty = true;
    this.faults.push({ shard, seq: chain.seq + 1, problem });
  }
}

export function verifyRows({ rows, starts, stops }: RowsToVerify): VerifiedRows {
  const verifier = new RowVerifier(starts, stops);
  verifier.push(rows);
  const { places, roots, faults } = verifier;
  return { places, roots, faults, subtrees: verifier.takeSubtrees() };
}

/** The line of one entry as PostgreSQL's COPY writes it. For the measure and for tests; the server's come from the database. */
export function exportLine(fields: readonly (string | number | null)[]): string {
  return `${fields.map((field) => (field === null ? '\\N' : String(field).replace(/[\\\b\f\n\r\t\v]/g, escaped))).join('\t')}\n`;
}
const escaped = (letter: string) => `\\${'bfnrtv\\'['\b\f\n\r\t\v\\'.indexOf(letter)] ?? ''}`;
