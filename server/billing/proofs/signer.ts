/**
 * Signs the shards whose chains this gateway leads: every few seconds, where entries have come. Each new entry is recomputed before
 * it is signed. A checkpoint is on the disk before anybody is shown it.
 * Where the database is not what was signed of it, the shard is signed no more, and the log says so again and again.
 */
import { insertCheckpoint, readEnds } from '../../../db/billing/proofs/checkpoints.ts';
import { putTreeNodes } from '../../../db/billing/proofs/tree.ts';
import { MerkleTree } from '../../../workers/billing/merkle-tree.ts';
import type { ChainPlace } from '../../../workers/tasks.ts';
import type { Clock } from '../../clock.ts';
import { readOn } from './chain-reader.ts';
import type { CheckpointFiles } from './files.ts';
import { Distrusted, type TrustParts, trustedPlace } from './trust.ts';

export type SignerLog = {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
};
export type SignerParts = Omit<TrustParts, 'files'> & {
  files: CheckpointFiles;
  clock: Clock;
  log: SignerLog;
  /** The shards whose chains this gateway leads: nobody else signs them meanwhile. */
  led(): readonly number[];
  /** Another place to keep checkpoints, beside the files. Never throws. */
  copy?: ((shard: number, size: number, note: string) => void) | undefined;
  everyMs: number;
};

const ALARM_MS = 60_000;

export class CheckpointSigner {
  readonly #parts: SignerParts;
  /** Signed so far, of the shards that are trusted. */
  readonly #places = new Map<number, ChainPlace>();
  readonly #halted = new Map<number, { problem: string; toldMs: number }>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: SignerParts) {
    this.#parts = parts;
  }

  /** Why shards are not signed any more. */
  get halted(): { shard: number; problem: string }[] {
    return [...this.#halted].map(([shard, { problem }]) => ({ shard, problem }));
  }

  start(): void {
    this.#schedule();
  }

  /** Signs what has come since the last time, so that a stop leaves nothing unsigned. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.round();
  }

  /** One look at every shard of this gateway. Never rejects. */
  async round(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#running = this.#round().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  #schedule(): void {
    this.#parts.clock.after(this.#parts.everyMs, () => {
      if (this.#stopped) return;
      void this.round().then(() => this.#schedule());
    });
  }

  async #round(): Promise<void> {
    const { db, log } = this.#parts;
    const led = this.#parts.led();
    // Whoever leads a shard again looks at it again: others have signed in between.
    for (const shard of this.#places.keys()) if (!led.includes(shard)) this.#places.delete(shard);
    for (const shard of this.#halted.keys()) if (!led.includes(shard)) this.#halted.delete(shard);
    try {
      const ends = await db.asService((tx) => readEnds(tx, led));
      for (const { shard, seq } of ends) await this.#look(shard, seq);
    } catch (error) {
      log.warn({ error }, 'the ledger could not be signed; trying again');
    }
  }

  async #look(shard: number, seq: number): Promise<void> {
    const halted = this.#halted.get(shard);
    if (halted !== undefined) {
      this.#alarm(shard, halted.problem);
      return;
    }
    try {
      const place = this.#places.get(shard) ?? (await this.#trust(shard));
      // A place that was just taken may lie behind the end that was read before.
      if (seq === place.seq) this.#places.set(shard, place);
      else await this.#sign(place, Math.max(seq, place.seq));
    } catch (error) {
      if (!(error instanceof Distrusted)) throw error;
      this.#halt(shard, error.message);
    }
  }

  async #trust(shard: number): Promise<ChainPlace> {
    const { place, check } = await trustedPlace(this.#parts, shard);
    check?.().catch((error: unknown) => {
      if (error instanceof Distrusted) this.#halt(shard, error.message);
      else this.#parts.log.warn({ error, shard }, 'the signed entries of a shard could not be read through');
    });
    return place;
  }

  async #sign(from: ChainPlace, toSeq: number): Promise<void> {
    const { db, keys, files, clock, copy } = this.#parts;
    const { shard } = from;
    const [end] = await db.asService((tx) => readEnds(tx, [shard]));
    if (end === undefined || end.seq < from.seq)
      throw new Distrusted(`The chain of shard ${shard} ends at entry ${end?.seq ?? 0}, but ${from.seq} were signed.`);
    const { place, fault, subtrees } = await readOn(this.#parts, from, toSeq);
    if (fault !== undefined) throw new Distrusted(`Shard ${shard}, entry ${fault.seq}: ${fault.problem}.`);
    const note = keys.sign(shard, place.seq, new MerkleTree(place.seq, place.peaks).root());
    await files.append(shard, note, clock.now());
    await db.asService(async (tx) => {
      await putTreeNodes(tx, shard, subtrees);
      await insertCheckpoint(tx, { shard, size: place.seq, note });
    });
    this.#places.set(shard, place);
    copy?.(shard, place.seq, note);
  }

  #halt(shard: number, problem: string): void {
    this.#places.delete(shard);
    this.#halted.set(shard, { problem, toldMs: Number.NEGATIVE_INFINITY });
    this.#alarm(shard, problem);
  }

  #alarm(shard: number, problem: string): void {
    const now = this.#parts.clock.now();
    const halted = this.#halted.get(shard);
    if (halted === undefined || now - halted.toldMs < ALARM_MS) return;
    halted.toldMs = now;
    this.#parts.log.error({ shard, problem }, 'the ledger is not what was signed of it: this shard is signed no more');
  }
}
