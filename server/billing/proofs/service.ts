/** Proofs of the ledger, for its users and for auditors. Hands out hashes only, but to a user the fields of his own entries. */

import { readChain } from '../../../db/billing/ledger.ts';
import { findLatestCheckpoint, type StoredCheckpoint } from '../../../db/billing/proofs/checkpoints.ts';
import { readEntryHashes } from '../../../db/billing/proofs/tree.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { ConsistencyProof, EntryProof, InclusionProof } from '../../../protocol/billing-proofs.ts';
import { parseNote, verifierLine } from '../../../protocol/ledger-proof/signed-note.ts';
import { leafOf } from '../../../workers/billing/merkle-tree.ts';
import { AppError } from '../../errors.ts';
import type { CheckpointKeys } from './keys.ts';
import { Prover } from './prover.ts';

export class ProofService {
  readonly #db: Database;
  readonly #keys: CheckpointKeys;

  constructor(db: Database, keys: CheckpointKeys) {
    this.#db = db;
    this.#keys = keys;
  }

  /** A verifier key a line, the one that signs first. */
  verifierLines(): Promise<string[]> {
    return this.#keys.lines();
  }

  /** The last signed checkpoint. @throws AppError `billing.proof_pending` when nothing was signed yet. */
  checkpoint(shard: number): Promise<string> {
    return this.#db.asService(async (tx) => (await latest(tx, shard)).note);
  }

  /** @param size of a signed tree or a smaller one; that of the last checkpoint by default. */
  inclusion(shard: number, seq: number, size: number | undefined): Promise<InclusionProof> {
    return this.#db.asService(async (tx) => {
      const last = await latest(tx, shard);
      const treeSize = checkSize('size', size ?? last.size, last.size);
      if (seq > treeSize)
        throw size === undefined
          ? new AppError('billing.proof_pending')
          : AppError.invalid('seq', `at most ${treeSize}`);
      const prover = new Prover(tx, shard);
      const [path, root, hashes] = await Promise.all([
        prover.inclusion(seq - 1, treeSize),
        prover.root(treeSize),
        readEntryHashes(tx, shard, seq - 1, seq),
      ]);
      const leafHash = leafOf(hashes[0] ?? new Uint8Array()).toString('hex');
      const rootHash = root.toString('hex');
      const place = { shard, seq, index: seq - 1, size: treeSize };
      return { ...place, leafHash, rootHash, path: path.map(hex), checkpoint: last.note };
    });
  }

  consistency(shard: number, from: number, to: number | undefined): Promise<ConsistencyProof> {
    return this.#db.asService(async (tx) => {
      const last = await latest(tx, shard);
      const second = checkSize('to', to ?? last.size, last.size);
      const first = checkSize('from', from, second);
      const prover = new Prover(tx, shard);
      const [path, fromRoot, toRoot] = await Promise.all([
        prover.consistency(first, second),
        prover.root(first),
        prover.root(second),
      ]);
      const roots = { fromRootHash: hex(fromRoot), toRootHash: hex(toRoot) };
      return { shard, from: first, to: second, ...roots, path: path.map(hex), checkpoint: last.note };
    });
  }

  /**
   * An entry of the caller's own, with everything that shows where it stands.
   * @throws AppError `billing.entry_not_found`, `billing.proof_pending` until the next checkpoint.
   */
  async proofOf(userId: string, shard: number, seq: number): Promise<EntryProof> {
    // Row level security shows him his own alone; another one may come in its place.
    const [stored] = await this.#db.asUser(userId, (tx) => readChain(tx, shard, seq - 1, 1));
    if (stored?.seq !== seq) throw new AppError('billing.entry_not_found');
    const { hashVersion: _hashVersion, ...entry } = stored;
    return this.#db.asService(async (tx) => {
      const last = await latest(tx, shard);
      if (seq > last.size) throw new AppError('billing.proof_pending');
      const path = await new Prover(tx, shard).inclusion(seq - 1, last.size);
      return {
        entry,
        size: last.size,
        path: path.map(hex),
        checkpoint: last.note,
        verifierKey: await this.#signerOf(last),
      };
    });
  }

  async #signerOf({ shard, note }: StoredCheckpoint): Promise<string> {
    const keys = this.#keys.verifiersOf(shard);
    const lines = await Promise.all(keys.map(({ name, publicKey }) => verifierLine(name, publicKey)));
    const { signatures } = parseNote(note);
    const at = keys.findIndex(({ keyId }) => signatures.some((one) => one.keyId === keyId));
    return lines[Math.max(0, at)] ?? '';
  }
}

const hex = (hash: Buffer): string => hash.toString('hex');

async function latest(tx: Tx, shard: number): Promise<StoredCheckpoint> {
  const found = await findLatestCheckpoint(tx, shard);
  if (found === undefined) throw new AppError('billing.proof_pending');
  return found;
}

function checkSize(field: string, size: number, most: number): number {
  if (size > most) throw AppError.invalid(field, `at most ${most}`);
  return size;
}
