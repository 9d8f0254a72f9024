/**
 * One answer being written: what has come from the model, what of it is safely in the live log, and what readers may see.
 * Readers are only ever given text that is in the log. Knows no sockets, no database.
 */
import type { LogPiece } from '../../db/live/live-store.ts';
import type { RunningGeneration } from '../../protocol/chat.ts';
import type { Push } from '../../protocol/down.ts';
import type { StreamEnd, StreamHandle } from '../llm/model.ts';
import type { Cursor, StreamSource } from '../peer.ts';

/** Fixed facts of a generation. */
export type GenerationFacts = Readonly<{
  generationId: string;
  conversationId: string;
  userId: string;
  payeeUserId: string | null;
  avatarId: string | null;
  parentId: string;
  messageId: string;
  epoch: number;
  model: string;
  promptTokens: number;
  firstTurn: boolean;
  /** Memories that went into the prompt. */
  sourceRefs: readonly { memoryId: string; score: number }[];
  startedAtMs: number;
}>;

export class Generation implements StreamSource {
  readonly facts: GenerationFacts;
  readonly key: string;
  /** How the model's stream ended; undefined while it runs. Set once: the first of end and stop decides. */
  end: (StreamEnd & { stopped: boolean }) | undefined;
  /** Cancels the request at the provider. */
  handle: StreamHandle | undefined;
  /** True from the moment the answer is stored and `chat.done` is out. */
  settled = false;

  #text = '';
  /** `ends[seq]` is the offset behind the piece `seq`. */
  readonly #ends: number[] = [];
  #pending = '';
  #writing: LogPiece | undefined;
  /** Of the last piece that was taken from the log. */
  #lastEpoch = 0;
  #cached: { offset: number; end: number; push: Push } | undefined;

  constructor(facts: GenerationFacts, recovered: readonly LogPiece[] = []) {
    this.facts = facts;
    this.key = facts.generationId;
    this.append(recovered);
  }

  /** What is in the log, and therefore what readers may see. */
  get text(): string {
    return this.#text;
  }

  get length(): number {
    return this.#text.length;
  }

  get epoch(): number {
    return this.facts.epoch;
  }

  get lastSeq(): number {
    return this.#ends.length - 1;
  }

  get ended(): boolean {
    return this.end !== undefined && this.drained;
  }

  /** True when everything that has come is in the log. */
  get drained(): boolean {
    return this.#pending === '' && this.#writing === undefined;
  }

  /** True before anything has come. */
  get silent(): boolean {
    return this.#ends.length === 0 && this.drained;
  }

  /** Takes text of the model. What PostgreSQL cannot hold is replaced one to one, so that offsets stay true. */
  receive(text: string): void {
    if (this.end !== undefined) return;
    this.#pending +=
      text.includes('\0') || !text.isWellFormed() ? text.replaceAll('\0', '\ufffd').toWellFormed() : text;
  }

  /** There will be no such answer: nothing more of it is taken or written. */
  discard(): void {
    this.end ??= { finishReason: 'aborted', usage: undefined, error: undefined, stopped: false };
    this.#pending = '';
  }

  /** The next piece for the log; undefined when there is none or one is on its way. */
  takePiece(): LogPiece | undefined {
    if (this.#writing !== undefined || this.#pending === '') return undefined;
    const { generationId, epoch } = this.facts;
    this.#writing = { generationId, epoch, seq: this.#ends.length, offset: this.#text.length, text: this.#pending };
    this.#pending = '';
    return this.#writing;
  }

  /** The piece on its way is in the log: readers may see it. */
  acknowledge(): void {
    if (this.#writing === undefined) return;
    this.#text += this.#writing.text;
    this.#ends.push(this.#text.length);
    this.#writing = undefined;
    this.#cached = undefined;
  }

  /** Takes pieces that are in the log already, written by another gateway. Known ones change nothing. @returns false at a gap */
  append(pieces: readonly LogPiece[]): boolean {
    for (const piece of pieces) {
      if (piece.seq <= this.lastSeq) continue;
      if (piece.seq !== this.lastSeq + 1 || piece.offset !== this.#text.length) return false;
      // What an older owner wrote behind a hole is no part of what a newer one goes on with.
      if (piece.epoch < this.#lastEpoch) return false;
      this.#lastEpoch = piece.epoch;
      this.#text += piece.text;
      this.#ends.push(this.#text.length);
      this.#cached = undefined;
    }
    return true;
  }

  /** What stands in the log behind `seq`, as one piece for each. */
  piecesAfter(seq: number): LogPiece[] {
    const { generationId, epoch } = this.facts;
    return this.#ends.slice(seq + 1).map((end, index) => {
      const at = seq + 1 + index;
      const offset = at === 0 ? 0 : (this.#ends[at - 1] ?? 0);
      return { generationId, epoch, seq: at, offset, text: this.#text.slice(offset, end) };
    });
  }

  get lastPiece(): LogPiece | undefined {
    return this.piecesAfter(Math.max(this.lastSeq - 1, -1)).at(0);
  }

  /** The piece on its way did not arrive for sure; it is kept for the next try, unchanged. */
  get unwritten(): LogPiece | undefined {
    return this.#writing;
  }

  /** Where a reader stands who has everything up to `seq` of this epoch. Undefined when that cannot be. */
  cursorAfter(seq: number): Cursor | undefined {
    const offset = seq === -1 ? 0 : this.#ends[seq];
    return offset === undefined ? undefined : { epoch: this.facts.epoch, seq, offset };
  }

  /** Where a reader stands who has the text so far. */
  cursor(): Cursor {
    return { epoch: this.facts.epoch, seq: this.lastSeq, offset: this.#text.length };
  }

  next(cursor: Cursor, maxUnits: number): Push | undefined {
    const { generationId, epoch } = this.facts;
    if (cursor.epoch !== epoch) return this.snapshot(cursor);
    const { offset } = cursor;
    if (offset >= this.#text.length) return undefined;
    const seq = this.#seqWithin(offset, maxUnits);
    const end = this.#ends[seq] ?? this.#text.length;
    cursor.seq = seq;
    cursor.offset = end;
    if (this.#cached?.offset !== offset || this.#cached.end !== end) {
      const body = { generationId, epoch, seq, offset, text: this.#text.slice(offset, end) };
      this.#cached = { offset, end, push: { type: 'chat.delta', body } };
    }
    return this.#cached.push;
  }

  /** The last piece that ends within `maxUnits` of `offset`; the next one when none does. */
  #seqWithin(offset: number, maxUnits: number): number {
    let seq = this.lastSeq;
    // From the end: who keeps up is one piece behind.
    while (seq > 0 && (this.#ends[seq] ?? 0) - offset > maxUnits && (this.#ends[seq - 1] ?? 0) > offset) seq -= 1;
    return seq;
  }

  snapshot(cursor: Cursor): Push {
    Object.assign(cursor, this.cursor());
    return { type: 'chat.snapshot', body: { conversationId: this.facts.conversationId, generation: this.describe() } };
  }

  /** As clients see it, with the text so far. */
  describe(): RunningGeneration {
    const { generationId, messageId, parentId, epoch } = this.facts;
    return { generationId, messageId, parentId, epoch, seq: this.lastSeq, text: this.#text };
  }
}
