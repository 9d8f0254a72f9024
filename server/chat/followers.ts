/**
 * The owner's side of answers that other gateways read: who follows which answer, and up to which piece it has been told. What a write
 * of the live log has brought goes to each gateway as one message, however many answers it is of: a message a piece costs both of
 * them, and the store between, more than the pieces do.
 */
import type { LogPiece } from '../../db/live/live-store.ts';
import type { GatewayCalls } from './gateway-calls.ts';
import type { Generation } from './generation.ts';
import type { ChatLog } from './needs.ts';

/** A message that is longer than this waits for no more: text of it, UTF-16 units. */
const FULL_UNITS = 64 * 1024;

type Message = { pieces: LogPiece[]; units: number };

export class Followers {
  readonly #calls: Pick<GatewayCalls, 'tell'>;
  readonly #log: ChatLog;
  readonly #told = new Map<string, { gateways: Set<string>; seq: number }>();
  /** What leaves when whoever has written the log has named all that is in it. By gateway. */
  readonly #due = new Map<string, Message>();

  constructor(calls: Pick<GatewayCalls, 'tell'>, log: ChatLog) {
    this.#calls = calls;
    this.#log = log;
  }

  /** Another gateway has readers of `generation`. */
  add(generation: Generation, gateway: string): void {
    this.#add(generation.key, gateway, generation.lastSeq);
  }

  /** The same for an answer that this gateway is just taking over: it hears everything from the beginning. */
  expect(generationId: string, gateway: string): void {
    this.#add(generationId, gateway, -1);
  }

  remove(generationId: string, gateway: string): void {
    const told = this.#told.get(generationId);
    told?.gateways.delete(gateway);
    if (told?.gateways.size === 0) this.#told.delete(generationId);
  }

  /** It has grown. */
  tell(generation: Generation): void {
    const told = this.#told.get(generation.key);
    if (told === undefined || told.seq === generation.lastSeq) return;
    const pieces = generation.piecesAfter(told.seq);
    told.seq = generation.lastSeq;
    for (const gateway of told.gateways) this.#put(gateway, pieces);
  }

  /** It has ended. */
  forget(generationId: string): void {
    this.#told.delete(generationId);
  }

  #add(generationId: string, gateway: string, seq: number): void {
    const told = this.#told.get(generationId);
    if (told === undefined) this.#told.set(generationId, { gateways: new Set([gateway]), seq });
    else told.gateways.add(gateway);
  }

  #put(gateway: string, pieces: readonly LogPiece[]): void {
    if (this.#due.size === 0) queueMicrotask(() => this.#sendAll());
    const message = this.#due.get(gateway) ?? { pieces: [], units: 0 };
    this.#due.set(gateway, message);
    for (const piece of pieces) {
      message.pieces.push(piece);
      message.units += piece.text.length;
      if (message.units >= FULL_UNITS) this.#send(gateway, message);
    }
  }

  #sendAll(): void {
    for (const [gateway, message] of this.#due) if (message.pieces.length > 0) this.#send(gateway, message);
    this.#due.clear();
  }

  #send(gateway: string, message: Message): void {
    const { pieces } = message;
    message.pieces = [];
    message.units = 0;
    this.#calls
      .tell(gateway, pieces)
      .catch((error: unknown) => this.#log.warn({ error }, 'another gateway could not be told what is written'));
  }
}
