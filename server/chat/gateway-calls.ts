/**
 * What gateways say to each other over the live store's channels, one channel a gateway: calls, as to stop an answer, and what is
 * written of answers. A call that nobody answers in time fails with `busy`: its gateway is gone, and recovery will close what it left.
 */
import type { LiveStore, LogPiece } from '../../db/live/live-store.ts';
import type { Clock, Timer } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { ChatLog } from './needs.ts';

/** What one gateway may ask of another. */
export type GatewayCall =
  | { kind: 'stop'; generationId: string }
  | { kind: 'follow' | 'unfollow'; generationId: string };
/** False: it does not know of such an answer. `ended`: too late to stop it, its end is being stored. */
export type GatewayAnswer = boolean | 'ended';
type Envelope =
  | { call: GatewayCall; id: number; from: string }
  | { answer: GatewayAnswer; id: number }
  | { pieces: readonly LogPiece[] };
/** What this gateway does when another one says something. */
export type GatewayEars = {
  /** Its result is sent back. */
  answer: (call: GatewayCall, from: string) => GatewayAnswer;
  /** Pieces of answers that another gateway writes; those of one answer stand together. */
  hear: (pieces: readonly LogPiece[]) => void;
};

const TIMEOUT_MS = 2_000;
const channelOf = (owner: string): string => `gateway:${owner}`;

export class GatewayCalls {
  readonly #live: Pick<LiveStore, 'publish' | 'subscribe'>;
  readonly #clock: Clock;
  readonly #log: ChatLog;
  readonly #owner: string;
  readonly #waiting = new Map<number, { resolve: (answer: GatewayAnswer) => void; timer: Timer }>();
  #lastId = 0;
  #end: (() => Promise<void>) | undefined;

  constructor(parts: { live: Pick<LiveStore, 'publish' | 'subscribe'>; clock: Clock; log: ChatLog }, owner: string) {
    this.#live = parts.live;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#owner = owner;
  }

  async start(ears: GatewayEars): Promise<void> {
    this.#end = await this.#live.subscribe(channelOf(this.#owner), (payload) =>
      this.#hear(JSON.parse(payload) as Envelope, ears),
    );
  }

  async stop(): Promise<void> {
    await this.#end?.();
  }

  /** @throws AppError `busy` when the other gateway does not answer. */
  async call(owner: string, call: GatewayCall): Promise<GatewayAnswer> {
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<GatewayAnswer>();
    const timer = this.#clock.after(TIMEOUT_MS, () => {
      this.#waiting.delete(id);
      reject(
        new AppError('busy', { retryAfterMs: TIMEOUT_MS }, 'The gateway that writes this answer does not respond.'),
      );
    });
    this.#waiting.set(id, { resolve, timer });
    // It may fail while the way to the store is still being waited for, and nobody looks at it yet.
    promise.catch(() => {});
    try {
      await this.#live.publish(channelOf(owner), JSON.stringify({ call, id, from: this.#owner } satisfies Envelope));
    } catch (error) {
      timer.cancel();
      this.#waiting.delete(id);
      throw error;
    }
    return promise;
  }

  /** Without an answer: what gets lost is in the live log. */
  tell(owner: string, pieces: readonly LogPiece[]): Promise<void> {
    return this.#live.publish(channelOf(owner), JSON.stringify({ pieces } satisfies Envelope));
  }

  #hear(envelope: Envelope, { answer, hear }: GatewayEars): void {
    if ('pieces' in envelope) {
      hear(envelope.pieces);
      return;
    }
    if ('answer' in envelope) {
      const waiting = this.#waiting.get(envelope.id);
      this.#waiting.delete(envelope.id);
      waiting?.timer.cancel();
      waiting?.resolve(envelope.answer);
      return;
    }
    const { call, id, from } = envelope;
    const reply: Envelope = { answer: answer(call, from), id };
    this.#live
      .publish(channelOf(from), JSON.stringify(reply))
      .catch((error: unknown) => this.#log.warn({ error }, 'another gateway could not be answered'));
  }
}
