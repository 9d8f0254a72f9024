/**
 * One socket from its opening to its end: encodes, decodes, waits for `gateway.hello`, tells once why it ended.
 * Knows nothing of reconnecting or of what the frames mean.
 */
import type { Codec } from '../codec.ts';
import type { DownBody } from '../down.ts';
import type { ClientClock, WebSocketConstructor, WebSocketLike } from './environment.ts';
import { isRecord } from './error.ts';

export type Frame = Readonly<Record<string, unknown> & { type: string }>;

export type LinkEvents = {
  /** The server greeted: commands may be sent. */
  onHello(hello: DownBody<'gateway.hello'>): void;
  onFrame(frame: Frame): void;
  /** Once, last. `code` is the close code; 1006 when the socket broke without one. */
  onEnd(code: number, reason: string): void;
};

const connecting = 0;
const openState = 1;
/** What the client closes with when the server's bytes are not of the protocol; the transport allows 3000–4999 here. */
const badFrameCode = 3000;

export class Link {
  readonly #socket: WebSocketLike;
  readonly #codec: Codec;
  readonly #events: LinkEvents;
  readonly #deadline: { cancel(): void };
  #greeted = false;
  #ended = false;
  #maxFrameBytes = Number.POSITIVE_INFINITY;
  /** When the server was heard last, by the clock. */
  heardAtMs: number;

  /** @param openTimeoutMs for the upgrade and the greeting together. @throws what the platform's WebSocket does, when it may not be. */
  constructor(
    url: string,
    codec: Codec,
    Ctor: WebSocketConstructor,
    clock: ClientClock,
    openTimeoutMs: number,
    events: LinkEvents,
  ) {
    this.#codec = codec;
    this.#events = events;
    this.heardAtMs = clock.now();
    const socket = new Ctor(url, [codec.subprotocol]);
    this.#socket = socket;
    this.#deadline = clock.after(openTimeoutMs, () => this.abandon('no greeting in time'));
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event: { data: unknown }) => {
      this.heardAtMs = clock.now();
      this.#receive(event.data);
    };
    socket.onclose = (event: { code: number; reason: string }) => this.#end(event.code, event.reason);
    // Every error is followed by a close; without a handler some implementations throw.
    socket.onerror = () => {};
  }

  /** @returns false when the frame is larger than the server takes; nothing was sent then. */
  send(frame: object): boolean {
    const data = this.#codec.encode(frame);
    if (sizeOf(data, this.#maxFrameBytes) > this.#maxFrameBytes) return false;
    // A socket that is closing drops the frame; its end tells the one who waits for the answer.
    if (this.#socket.readyState === openState) this.#socket.send(data as string | Uint8Array<ArrayBuffer>);
    return true;
  }

  /** Ends it politely. */
  close(): void {
    this.#socket.close(1000, '');
    this.#end(1000, '');
  }

  /** Ends it now, without waiting for a close frame that a dead peer never sends. */
  abandon(reason: string): void {
    if (this.#ended) return;
    try {
      this.#socket.close(this.#socket.readyState === connecting ? undefined : 3001, reason);
    } finally {
      this.#end(1006, reason);
    }
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline.cancel();
    this.#socket.onmessage = null;
    this.#events.onEnd(code, reason);
  }

  #receive(data: unknown): void {
    if (this.#ended) return;
    let frame: unknown;
    try {
      frame = this.#codec.decode(typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer));
    } catch {
      frame = undefined;
    }
    if (!isRecord(frame) || typeof frame['type'] !== 'string') {
      this.#socket.close(badFrameCode, 'not a frame');
      this.#end(badFrameCode, 'not a frame');
      return;
    }
    if (frame['type'] === 'gateway.hello' && !this.#greeted) this.#greet(frame['body'] as DownBody<'gateway.hello'>);
    if (!this.#ended) this.#events.onFrame(frame as Frame);
  }

  #greet(hello: DownBody<'gateway.hello'>): void {
    this.#greeted = true;
    this.#deadline.cancel();
    if (hello.maxFrameBytes > 0) this.#maxFrameBytes = hello.maxFrameBytes;
    this.#events.onHello(hello);
  }
}

/** Bytes on the wire; counted exactly only when it may matter. */
function sizeOf(data: string | Uint8Array, limit: number): number {
  if (typeof data !== 'string') return data.byteLength;
  return data.length * 3 <= limit ? data.length : new TextEncoder().encode(data).byteLength;
}
