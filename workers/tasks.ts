/** Every CPU task of the pool: its name, what it takes and what it gives. The map makes `pool.run` typed. */

import type { CsvPart } from './billing/write-statement-csv.ts';
import type { PdfInput } from './billing/write-statement-pdf.ts';

/** A row-major matrix of unit vectors that several threads read. Rows behind `rows` are not yet valid. */
export type SharedVectors = { buffer: SharedArrayBuffer; rows: number; dimensions: number };
export type Match = { namespace: number; row: number; score: number };

export type Tasks = {
  /** Exact top-k by dot product over several namespaces, best first; embeds `text` offline when `query` is not given. */
  'memory/retrieve': {
    input: { namespaces: readonly SharedVectors[]; query?: Float32Array; text?: string; top: number; minScore: number };
    output: Match[];
  };
  /** The offline embedding: deterministic, unit length, Japanese and English. */
  'memory/embed-text': { input: { texts: readonly string[]; dimensions: number }; output: Float32Array[] };
  /** Exact token counts of the model's tokenizer, one for each text. */
  'billing/meter-tokens': { input: { model: string; texts: readonly string[] }; output: number[] };
  /** Continues the hash chains of the ledger; entries of one shard in order. */
  'billing/hash-entries': {
    input: { heads: readonly ChainHead[]; entries: readonly LedgerDraft[] };
    output: HashedEntry[];
  };
  /** A payout's statement for spreadsheets: a piece of it, in order. */
  'billing/write-statement-csv': { input: CsvPart; output: string };
  /** A payout's statement to print. */
  'billing/write-statement-pdf': { input: PdfInput; output: Uint8Array };
  /** Recomputes hashes, chains and Merkle trees from lines of an export; see `verify-rows.ts`. */
  'billing/verify-rows': { input: RowsToVerify; output: VerifiedRows };
};
export type TaskName = keyof Tasks;

export type ChainHead = { shard: number; seq: number; hash: string };
/** The fields that a hash covers. Amounts are positive; the sense is from `fromAccount` to `toAccount`. */
export type LedgerDraft = {
  entryId: string;
  shard: number;
  fromAccount: string;
  toAccount: string;
  asset: string;
  tokenAmount: number;
  /** Millionths of a minor unit of currency for one token. */
  unitPriceMicro: number;
  purpose: string;
  status: string;
  reversesId: string | null;
  conversationId: string | null;
  messageId: string | null;
  generationId: string | null;
  idempotencyKey: string;
  /** Milliseconds since the epoch. */
  createdAtMs: number;
};
export type HashedEntry = { entryId: string; shard: number; seq: number; prevHash: string; hash: string };

/** Where a chain and its Merkle tree stand: `peaks` are the roots of its whole subtrees, one behind the other. */
export type ChainPlace = { shard: number; seq: number; hash: string; peaks: Uint8Array };
/** A size whose root is asked for: that of a checkpoint. */
export type TreeStop = { shard: number; size: number };
export type TreeRoot = TreeStop & { root: Uint8Array };
/** `seq`: the first entry that is not as it was. */
export type ChainFault = { shard: number; seq: number; problem: string };
/** The root of a whole subtree of 256 to the power of `level` leaves. */
export type WholeSubtree = { shard: number; level: number; index: number; hash: string };
export type RowsToVerify = { rows: Uint8Array; starts: readonly ChainPlace[]; stops: readonly TreeStop[] };
export type VerifiedRows = { places: ChainPlace[]; roots: TreeRoot[]; faults: ChainFault[]; subtrees: WholeSubtree[] };
