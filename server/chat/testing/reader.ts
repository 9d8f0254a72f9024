/** A connection of a test: keeps what it is pushed, pulls streams as the gateway does, and puts texts together as a client does. */

import { uuidv7 } from '../../../db/uuid.ts';
import type { CloseReason } from '../../../protocol/close-code.ts';
import type { DownBody, DownType, Push } from '../../../protocol/down.ts';
import type { Caller, Cursor, Peer, StreamSource } from '../../peer.ts';

export class Reader implements Peer {
  readonly connectionId = uuidv7();
  readonly sessionId = uuidv7();
  readonly userId: string;
  readonly pushes: Push[] = [];
  /** Texts of answers by generation, as put together from pieces and snapshots. */
  readonly texts = new Map<string, string>();
  closed = false;
  /** While true nothing is pulled: a reader that is slow. */
  paused = false;
  readonly #streams = new Map<string, { source: StreamSource; cursor: Cursor }>();
  readonly #onClose: ((peer: Peer) => void)[] = [];
  #waiting: { isIt: (push: Push) => boolean; resolve: (push: Push) => void }[] = [];

  constructor(userId: string) {
    this.userId = userId;
  }

  get caller(): Caller {
    return { userId: this.userId, sessionId: this.sessionId, peer: this };
  }

  push(push: Push): void {
    if (this.closed) return;
    this.paused = false;
    for (const key of this.#streams.keys()) this.wakeStream(key);
    this.#take(push);
  }

  addStream(source: StreamSource, cursor: Cursor): void {
    if (this.closed) return;
    this.#streams.set(source.key, { source, cursor });
    this.wakeStream(source.key);
  }

  removeStream(key: string): void {
    this.#streams.delete(key);
  }

  wakeStream(key: string): void {
    const stream = this.#streams.get(key);
    if (stream === undefined || this.paused || this.closed) return;
    const push = stream.source.next(stream.cursor, Number.POSITIVE_INFINITY);
    if (stream.source.ended) this.#streams.delete(key);
    if (push !== undefined) this.#take(push);
  }

  onClose(task: (peer: Peer) => void): void {
    this.#onClose.push(task);
  }

  close(_reason?: CloseReason): void {
    if (this.closed) return;
    this.closed = true;
    this.#streams.clear();
    for (const task of this.#onClose) task(this);
  }

  /** The first push of this type, past or future, that passes. */
  next<T extends DownType>(type: T, passes: (body: DownBody<T>) => boolean = () => true): Promise<DownBody<T>> {
    const isIt = (push: Push) => push.type === type && passes(push.body as DownBody<T>);
    const past = this.pushes.find(isIt);
    if (past !== undefined) return Promise.resolve(past.body as DownBody<T>);
    return new Promise((resolve) => this.#waiting.push({ isIt, resolve: (push) => resolve(push.body as DownBody<T>) }));
  }

  done(generationId: string): Promise<DownBody<'chat.done'>> {
    return this.next('chat.done', (body) => body.generationId === generationId);
  }

  #take(push: Push): void {
    this.pushes.push(push);
    this.#apply(push);
    const heard = this.#waiting.filter(({ isIt }) => isIt(push));
    this.#waiting = this.#waiting.filter((one) => !heard.includes(one));
    for (const { resolve } of heard) resolve(push);
  }

  #apply(push: Push): void {
    if (push.type === 'chat.snapshot') this.texts.set(push.body.generation.generationId, push.body.generation.text);
    if (push.type !== 'chat.delta') return;
    const { generationId, offset, text } = push.body;
    const known = this.texts.get(generationId) ?? '';
    if (offset > known.length) throw new Error(`a hole: have ${known.length} units, got a piece at ${offset}`);
    if (offset + text.length > known.length) this.texts.set(generationId, known.slice(0, offset) + text);
  }
}
