/** Encodes frames, and encodes a push that goes to many readers only once for each subprotocol. */
import { Buffer } from 'node:buffer';
import type { Codec } from '../../protocol/codec.ts';
import type { Push } from '../../protocol/down.ts';

/** Readers of one push are served one after the other, so that a handful of memories is enough. */
const REMEMBERED = 4;

export class FrameEncoder {
  readonly #pushes: (Push | undefined)[] = new Array(REMEMBERED).fill(undefined);
  readonly #codecs: (Codec | undefined)[] = new Array(REMEMBERED).fill(undefined);
  readonly #bytes: Uint8Array[] = new Array(REMEMBERED).fill(new Uint8Array());
  #next = 0;

  /** The bytes of a push; the same object gives the same bytes without encoding again. Pushes must not be changed. */
  push(codec: Codec, push: Push): Uint8Array {
    for (let i = 0; i < REMEMBERED; i++) {
      if (this.#pushes[i] === push && this.#codecs[i] === codec) return this.#bytes[i] ?? encodeFrame(codec, push);
    }
    const bytes = encodeFrame(codec, push);
    const place = this.#next;
    this.#next = (place + 1) % REMEMBERED;
    this.#pushes[place] = push;
    this.#codecs[place] = codec;
    this.#bytes[place] = bytes;
    return bytes;
  }
}

/** The bytes of one frame. */
export function encodeFrame(codec: Codec, frame: object): Uint8Array {
  const encoded = codec.encode(frame);
  return typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
}
