/** For tests: a text that grows, as a generation does, readable by many. */
import type { DownBody, Push } from '../../protocol/down.ts';
import type { Cursor, StreamSource } from '../peer.ts';
import type { Frame } from './test-gateway.ts';

export class GrowingText implements StreamSource {
  readonly key: string;
  epoch = 1;
  text = '';
  seq = -1;
  ended = false;
  /** How often it was read, of which as a snapshot. */
  pulls = 0;
  snapshots = 0;
  /** Where the last reader stood after it. */
  readTo = 0;
  #last: { at: string; push: Push } | undefined;

  constructor(key = '018f3d3e-7c1a-7000-8000-0000000000aa') {
    this.key = key;
  }

  get length(): number {
    return this.text.length;
  }

  grow(piece: string): void {
    this.text += piece;
    this.seq += 1;
  }

  next(cursor: Cursor, maxUnits: number): Push | undefined {
    this.pulls += 1;
    if (cursor.offset >= this.text.length) return undefined;
    const end = Math.min(cursor.offset + maxUnits, this.text.length);
    const at = `${cursor.offset}-${end}`;
    if (this.#last?.at !== at) {
      const { key: generationId, epoch, seq } = this;
      const body = { generationId, epoch, seq, offset: cursor.offset, text: this.text.slice(cursor.offset, end) };
      this.#last = { at, push: { type: 'chat.delta', body } };
    }
    Object.assign(cursor, { seq: this.seq, offset: end });
    this.readTo = end;
    return this.#last.push;
  }

  snapshot(cursor: Cursor): Push {
    this.snapshots += 1;
    const { key, epoch, seq, text } = this;
    Object.assign(cursor, { epoch, seq, offset: text.length });
    const generation = { generationId: key, messageId: key, parentId: key, epoch, seq, text };
    return { type: 'chat.snapshot', body: { conversationId: key, generation } };
  }

  /** The push that a generation ends with. */
  done(): Push {
    const body: DownBody<'chat.done'> = {
      conversationId: this.key,
      generationId: this.key,
      messageId: this.key,
      finishReason: 'stop',
      usage: { tokensIn: 1, tokensOut: 1 },
      ledger: null,
      length: this.text.length,
      revision: 1,
    };
    return { type: 'chat.done', body };
  }
}

/** What a client has after these frames; throws where a piece does not join what was there. */
export function joinPieces(frames: readonly Frame[]): string {
  let text = '';
  for (const { type, body } of frames) {
    if (type === 'chat.snapshot') text = (body as DownBody<'chat.snapshot'>).generation.text;
    if (type !== 'chat.delta') continue;
    const piece = body as DownBody<'chat.delta'>;
    if (piece.offset > text.length)
      throw new Error(`A hole: ${text.length} units are there, the next begins at ${piece.offset}.`);
    text = text.slice(0, piece.offset) + piece.text;
  }
  return text;
}
