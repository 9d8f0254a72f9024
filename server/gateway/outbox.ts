/**
 * What waits for one socket, and the ladder of back pressure:
 * 1. below the soft limit everything is sent as it comes;
 * 2. above it a stream is only marked, and pulled in merged pieces when the socket drains;
 * 3. a reader that fell too far behind, or is of another epoch, gets one snapshot;
 * 4. when waiting pushes pass the hard limit, or the client takes nothing for too long, the socket closes with `resume`.
 *
 * Pushes and marks of streams share one queue, so that their order holds. An idle connection has no outbox at all.
 */
import type { CloseReason } from '../../protocol/close-code.ts';
import type { Cursor, StreamSource } from '../peer.ts';
import type { OutboxHost } from './outbox-host.ts';
import type { SafeSocket } from './socket.ts';

/** One stream that this connection follows. */
type Reader = {
  source: StreamSource;
  cursor: Cursor;
  queued: boolean;
  gone: boolean;
  /** It has not caught up since it came: it was promised to go on from its cursor, however far behind that is. */
  fresh: boolean;
};

/** The connection, as far as its outbox needs it. */
export interface OutboxOwner {
  close(reason: CloseReason): void;
  /** The outbox is idle; the owner may let go of it. */
  dropOutbox(outbox: Outbox): void;
}

export class Outbox {
  readonly owner: OutboxOwner;
  /** Since when the socket takes nothing; undefined while it does. */
  stalledSinceMs: number | undefined;
  readonly #host: OutboxHost;
  readonly #socket: SafeSocket;
  readonly #readers: Reader[] = [];
  #items: (Uint8Array | Reader)[] = [];
  #head = 0;
  #queuedBytes = 0;
  #scheduled = false;

  constructor(host: OutboxHost, socket: SafeSocket, owner: OutboxOwner) {
    this.#host = host;
    this.#socket = socket;
    this.owner = owner;
  }

  /** Nothing waits and no stream is followed: the outbox may be thrown away. */
  get idle(): boolean {
    return this.#readers.length === 0 && this.#head === this.#items.length;
  }

  /** Frames wait for the socket to drain. */
  get blocked(): boolean {
    return this.stalledSinceMs !== undefined;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** @returns false when the hard limit is passed; the caller closes. */
  push(bytes: Uint8Array): boolean {
    if (this.#overHardLimit(bytes.byteLength)) {
      // What waits only for the end of this turn does not count: send it first.
      if (!this.blocked) this.flush();
      if (this.#overHardLimit(bytes.byteLength)) return false;
    }
    this.#items.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    this.#schedule();
    return true;
  }

  /** One frame always finds room, else a large one could never pass. */
  #overHardLimit(moreBytes: number): boolean {
    return this.#queuedBytes > 0 && this.#queuedBytes + moreBytes > this.#host.limits.hardQueueBytes;
  }

  addStream(source: StreamSource, cursor: Cursor): void {
    this.removeStream(source.key);
    // Streams that ended after they were last read: nobody would wake them again.
    for (const reader of this.#readers.filter((one) => one.source.ended && !one.queued)) {
      this.removeStream(reader.source.key);
    }
    const reader = { source, cursor, queued: false, gone: false, fresh: true };
    this.#readers.push(reader);
    this.#mark(reader);
  }

  removeStream(key: string): void {
    const place = this.#readers.findIndex((reader) => reader.source.key === key);
    const [reader] = place < 0 ? [] : this.#readers.splice(place, 1);
    if (reader) reader.gone = true;
  }

  follows(key: string): boolean {
    return this.#readers.some((reader) => reader.source.key === key);
  }

  wakeStream(key: string): void {
    for (const reader of this.#readers) {
      if (reader.source.key === key) this.#mark(reader);
    }
  }

  #mark(reader: Reader): void {
    if (reader.queued) return;
    reader.queued = true;
    this.#items.push(reader);
    this.#schedule();
  }

  /** Everything of one turn leaves together. A blocked socket needs no turn: its drain event comes. */
  #schedule(): void {
    if (this.#scheduled || this.blocked) return;
    this.#scheduled = true;
    this.#host.scheduleFlush(this);
  }

  /**
   * The socket has taken something. Nothing is sent right here: uWS stops to listen for room when its drain callback returns,
   * even if what was sent within it did not fit, and the rest would stay for ever.
   */
  drained(): void {
    if (!this.blocked) return;
    this.stalledSinceMs = this.#host.clock.now();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#host.scheduleFlush(this);
  }

  /** The connection is gone. */
  discard(): void {
    this.#items = [];
    this.#head = 0;
    this.#readers.length = 0;
    this.stalledSinceMs = undefined;
    this.#host.unblocked(this);
  }

  /** Sends what waits, as far as the soft limit allows. */
  flush(): void {
    this.#scheduled = false;
    while (this.#head < this.#items.length && !this.#socket.closed) {
      const roomBytes = this.#host.fullAtBytes - this.#socket.buffered();
      if (roomBytes <= 0) {
        this.#block();
        return;
      }
      if (this.#head + 1 === this.#items.length) this.#sendNext();
      else this.#socket.cork(() => this.#sendUpTo(roomBytes));
    }
    this.#items = [];
    this.#head = 0;
    if (this.blocked) {
      this.stalledSinceMs = undefined;
      this.#host.unblocked(this);
    }
  }

  #block(): void {
    // Sent frames are let go, so that a queue that never empties does not grow.
    this.#items.splice(0, this.#head);
    this.#head = 0;
    if (this.blocked) return;
    this.stalledSinceMs = this.#host.clock.now();
    this.#host.blocked(this);
  }

  /** Counts itself: within a cork the socket does not tell what it holds. */
  #sendUpTo(roomBytes: number): void {
    let left = roomBytes;
    while (left > 0 && this.#head < this.#items.length) left -= this.#sendNext();
  }

  /** @returns bytes sent */
  #sendNext(): number {
    const item = this.#items[this.#head++];
    if (item === undefined) return 0;
    if (item instanceof Uint8Array) {
      this.#queuedBytes -= item.byteLength;
      this.#host.transmit(this.#socket, item);
      return item.byteLength;
    }
    return this.#pull(item);
  }

  #pull(reader: Reader): number {
    reader.queued = false;
    if (reader.gone) return 0;
    const { source, cursor } = reader;
    const behind = !reader.fresh && source.length - cursor.offset > this.#host.limits.snapshotBehindUnits;
    const { mergedUnits } = this.#host;
    const push = behind || source.epoch !== cursor.epoch ? this.#snapshot(reader) : source.next(cursor, mergedUnits);
    if (push !== undefined && cursor.offset < source.length) {
      // More waits than one frame carries. It keeps its place, since what stands behind it may be the stream's end.
      reader.queued = true;
      this.#head -= 1;
    } else {
      reader.fresh = false;
      if (source.ended) this.removeStream(source.key);
    }
    if (push === undefined) return 0;
    const bytes = this.#host.encode(push);
    this.#host.transmit(this.#socket, bytes);
    return bytes.byteLength;
  }

  #snapshot(reader: Reader): ReturnType<StreamSource['snapshot']> {
    this.#host.metrics.snapshotSent();
    return reader.source.snapshot(reader.cursor);
  }
}
