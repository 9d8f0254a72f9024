/** All checkpoints that are to be held against the entries: read, opened with known keys, in order. Knows no database. */
import {
  type Checkpoint,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  type VerifierKey,
} from '../../../protocol/ledger-proof/signed-note.ts';
import { SHARDS } from '../../../workers/billing/hash-entries.ts';
import type { ChainFault, TreeStop } from '../../../workers/tasks.ts';
import type { CheckpointFiles } from './files.ts';

/** `from`: where it was found, for people. */
export type FoundCheckpoint = Checkpoint & { shard: number; from: string };

export class CheckpointBook {
  readonly checkpoints: FoundCheckpoint[] = [];
  readonly faults: ChainFault[] = [];
  /** What is worth knowing and no fault. */
  readonly notes: string[] = [];
  readonly #keys: readonly VerifierKey[];

  constructor(keys: readonly VerifierKey[]) {
    this.#keys = keys;
  }

  /** Sizes whose roots are needed. */
  get stops(): TreeStop[] {
    return this.checkpoints.map(({ shard, size }) => ({ shard, size }));
  }

  async addFiles(files: CheckpointFiles): Promise<void> {
    for (let shard = 0; shard < SHARDS; shard++) {
      const { records, cutOff, damaged } = await files.all(shard);
      for (const file of damaged)
        this.faults.push({
          shard,
          seq: 0,
          problem: `${file} holds what is no checkpoint, nor one that a crash cut off`,
        });
      if (cutOff > 0)
        this.notes.push(`shard ${shard}: ${cutOff} records of checkpoint files were cut off, as by a crash`);
      for (const { file, note } of records) await this.add(shard, file, note);
    }
  }

  /** One that does not open with the keys is a fault; one of another log is only told of. */
  async add(shard: number, from: string, note: string): Promise<void> {
    let read: Checkpoint | undefined;
    try {
      const { text, signatures } = parseNote(note);
      read = parseCheckpoint(text);
      const { origin } = read;
      if (!this.#keys.some(({ name }) => name === origin)) {
        const ours = signatures.find((one) =>
          this.#keys.some(({ name, keyId }) => name === one.name && keyId === one.keyId),
        );
        if (ours !== undefined) throw new RangeError(`it says to be of ${origin}, and ${ours.name} has signed it`);
        const told = `${from}: there is no key for checkpoints of ${origin}; they were passed over`;
        if (!this.notes.includes(told)) this.notes.push(told);
        return;
      }
      const opened = await openCheckpoint(note, this.#keys);
      // Each shard is a log of its own: what another one has signed says nothing about this one, but somebody has put it here.
      if (!origin.endsWith(`/${shard}`)) throw new RangeError(`it is one of ${origin}`);
      this.checkpoints.push({ shard, from, ...opened });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.faults.push({
        shard,
        seq: read?.size ?? 0,
        problem: `a checkpoint of ${from} is not to be trusted: ${error.message}`,
      });
    }
  }
}

/**
 * Holds the roots that the entries give against those that were signed.
 * @param ends how many right entries each chain has. @param broken shards with a fault before: their later checkpoints say nothing new.
 * @returns at most one fault a shard
 */
export function judgeCheckpoints(
  book: CheckpointBook,
  roots: readonly (TreeStop & { root: Uint8Array })[],
  ends: ReadonlyMap<number, number>,
  broken: ReadonlySet<number>,
): ChainFault[] {
  const computed = new Map(roots.map(({ shard, size, root }) => [`${shard}.${size}`, root]));
  const faults: ChainFault[] = [];
  for (const [shard, signed] of Map.groupBy(book.checkpoints, (one) => one.shard)) {
    let right = 0;
    for (const { size, root, from } of signed.toSorted((a, b) => a.size - b.size)) {
      const end = ends.get(shard) ?? 0;
      if (size > end) {
        // Behind a fault that is told already nothing was computed.
        const problem = `the chain ends here, but a checkpoint of ${from} covers ${size} entries: its end was cut off`;
        if (!broken.has(shard)) faults.push({ shard, seq: end + 1, problem });
        break;
      }
      const found = computed.get(`${shard}.${size}`);
      if (found !== undefined && Buffer.from(found).equals(root)) {
        right = size;
        continue;
      }
      const which =
        right + 1 === size ? `entry ${size} is not the one` : `entries ${right + 1} to ${size} are not those`;
      faults.push({
        shard,
        seq: right + 1,
        problem: `${which} that a checkpoint of ${from} covers: the chain was written anew`,
      });
      break;
    }
  }
  return faults;
}
