/**
 * What all outboxes of one subprotocol share: limits, encoder, the turn in which everything leaves, and the list of blocked
 * ones. Kept apart so that a connection holds one reference instead of six.
 */
import type { Codec } from '../../protocol/codec.ts';
import type { Push } from '../../protocol/down.ts';
import type { Clock } from '../clock.ts';
import { encodeFrame, type FrameEncoder } from './frame-encoder.ts';
import { fullAtBytes, type GatewayLimits, mergedUnits } from './limits.ts';
import type { GatewayLog } from './log.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Outbox } from './outbox.ts';
import type { SafeSocket } from './socket.ts';

export type OutboxHostOptions = {
  codec: Codec;
  encoder: FrameEncoder;
  limits: GatewayLimits;
  clock: Clock;
  log: GatewayLog;
  metrics: GatewayMetrics;
};

export class OutboxHost {
  readonly codec: Codec;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly log: GatewayLog;
  /** See `fullAtBytes` of the limits. */
  readonly fullAtBytes: number;
  /** See `mergedUnits` of the limits. */
  readonly mergedUnits: number;
  readonly #encoder: FrameEncoder;
  readonly #blocked = new Set<Outbox>();
  #due: Outbox[] = [];

  constructor(options: OutboxHostOptions) {
    this.codec = options.codec;
    this.limits = options.limits;
    this.fullAtBytes = fullAtBytes(options.limits);
    this.mergedUnits = mergedUnits(options.limits);
    this.clock = options.clock;
    this.metrics = options.metrics;
    this.log = options.log;
    this.#encoder = options.encoder;
  }

  encode(push: Push): Uint8Array {
    return this.#encoder.push(this.codec, push);
  }

  encodeFrame(frame: object): Uint8Array {
    return encodeFrame(this.codec, frame);
  }

  transmit(socket: SafeSocket, bytes: Uint8Array): void {
    if (socket.send(bytes, this.codec.binary)) this.metrics.frameOut(bytes.byteLength);
  }

  /** Flushes `outbox` at the end of this turn of the event loop, after the replies of running handlers. */
  scheduleFlush(outbox: Outbox): void {
    if (this.#due.push(outbox) === 1) setImmediate(() => this.#flushDue());
  }

  #flushDue(): void {
    const due = this.#due;
    this.#due = [];
    for (const outbox of due) this.flushSafely(outbox);
  }

  /** A stream that throws must take neither the process nor the other readers with it. */
  flushSafely(outbox: Outbox): void {
    try {
      outbox.flush();
      if (outbox.idle) outbox.owner.dropOutbox(outbox);
    } catch (error) {
      this.log.error({ err: error }, 'a stream could not be read');
      outbox.owner.close('internal');
    }
  }

  blocked(outbox: Outbox): void {
    this.#blocked.add(outbox);
    this.metrics.backPressure();
  }

  unblocked(outbox: Outbox): void {
    this.#blocked.delete(outbox);
  }

  get blockedCount(): number {
    return this.#blocked.size;
  }

  /** Closes the connections whose client has taken nothing for the limit's time. */
  closeStalled(): void {
    const beforeMs = this.clock.now() - this.limits.stallMs;
    for (const outbox of [...this.#blocked]) {
      if (outbox.stalledSinceMs !== undefined && outbox.stalledSinceMs <= beforeMs) outbox.owner.close('resume');
    }
  }
}
