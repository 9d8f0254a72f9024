/**
 * One client: who it is, what it may still send, what waits for it. There are many thousands, most of them idle; so an idle
 * one holds no closures, maps or queues, and shares what it can with the others of its user and subprotocol.
 */
import { type CloseReason, closeCodes } from '../../protocol/close-code.ts';
import type { Push } from '../../protocol/down.ts';
import type { RequestId } from '../../protocol/envelope.ts';
import type { Caller, Cursor, Peer, StreamSource } from '../peer.ts';
import { Outbox, type OutboxOwner } from './outbox.ts';
import type { OutboxHost } from './outbox-host.ts';
import type { Bucket } from './rate.ts';
import type { UserEntry } from './registry.ts';
import { SafeSocket } from './socket.ts';

export class Connection implements Peer, Caller, Bucket, OutboxOwner {
  readonly connectionId: string;
  readonly user: UserEntry;
  readonly sessionId: string;
  readonly address: string;
  readonly host: OutboxHost;
  /** Closed until uWS opens it. */
  readonly socket = new SafeSocket();
  readonly openedAtMs: number;
  // The bucket of its frames, see `rate.ts`.
  milliTokens: number;
  refilledAtMs: number;
  malformed = 0;
  #inFlight: RequestId[] | undefined = undefined;
  #outbox: Outbox | undefined = undefined;
  #onClose: ((peer: Peer) => void)[] | undefined = undefined;

  constructor(facts: {
    connectionId: string;
    user: UserEntry;
    sessionId: string;
    address: string;
    host: OutboxHost;
    nowMs: number;
  }) {
    this.connectionId = facts.connectionId;
    this.user = facts.user;
    this.sessionId = facts.sessionId;
    this.address = facts.address;
    this.host = facts.host;
    this.openedAtMs = facts.nowMs;
    this.milliTokens = facts.host.limits.framesPerConnection.burst * 1000;
    this.refilledAtMs = facts.nowMs;
  }

  get userId(): string {
    return this.user.userId;
  }

  /** A connection is its own `Caller`: no object is made for a command. */
  get peer(): Peer {
    return this;
  }

  get closed(): boolean {
    return this.socket.closed;
  }

  get inFlight(): number {
    return this.#inFlight?.length ?? 0;
  }

  /** Bytes that wait: in the kernel's way and behind it. */
  get waitingBytes(): number {
    return this.socket.buffered() + (this.#outbox?.queuedBytes ?? 0);
  }

  push(push: Push): void {
    if (this.closed) return;
    if (!this.#ensureOutbox().push(this.host.encode(push))) this.close('resume');
  }

  /**
   * Sends an answer. It leaves at once, before pushes that the command's handler has caused in the same turn; behind what
   * waits when the client is slow.
   */
  answer(frame: object): void {
    if (this.closed) return;
    const bytes = this.host.encodeFrame(frame);
    const slow = this.#outbox?.blocked === true || this.socket.buffered() >= this.host.fullAtBytes;
    if (!slow) this.host.transmit(this.socket, bytes);
    else if (!this.#ensureOutbox().push(bytes)) this.close('resume');
  }

  addStream(source: StreamSource, cursor: Cursor): void {
    if (!this.closed) this.#ensureOutbox().addStream(source, cursor);
  }

  removeStream(key: string): void {
    this.#outbox?.removeStream(key);
  }

  wakeStream(key: string): void {
    this.#outbox?.wakeStream(key);
  }

  /** True while it has a stream of this key that it has not read to its end. */
  follows(key: string): boolean {
    return this.#outbox?.follows(key) === true;
  }

  onClose(task: (peer: Peer) => void): void {
    if (this.#onClose === undefined) this.#onClose = [task];
    else this.#onClose.push(task);
  }

  /** Sends what is ready and has room, then a close frame. */
  close(reason: CloseReason): void {
    if (this.closed) return;
    const outbox = this.#outbox;
    if (outbox !== undefined && !outbox.blocked && reason !== 'internal') {
      try {
        outbox.flush();
      } catch (error) {
        this.host.log.error({ err: error, connectionId: this.connectionId }, 'a stream could not be read');
      }
    }
    this.socket.end(closeCodes[reason].code, reason);
  }

  /** @returns false when a command with this id is still unanswered. */
  begin(id: RequestId): boolean {
    if (this.#inFlight === undefined) this.#inFlight = [id];
    else if (this.#inFlight.includes(id)) return false;
    else this.#inFlight.push(id);
    return true;
  }

  finish(id: RequestId): void {
    const ids = this.#inFlight;
    if (ids === undefined) return;
    if (ids.length === 1) this.#inFlight = undefined;
    else ids.splice(ids.indexOf(id), 1);
  }

  drained(): void {
    this.#outbox?.drained();
  }

  dropOutbox(outbox: Outbox): void {
    if (this.#outbox === outbox) this.#outbox = undefined;
  }

  /** The close event came. Each task runs, whatever the others do. */
  gone(): void {
    this.socket.forget();
    this.#outbox?.discard();
    this.#outbox = undefined;
    const tasks = this.#onClose ?? [];
    this.#onClose = undefined;
    for (const task of tasks) {
      try {
        task(this);
      } catch (error) {
        this.host.log.error(
          { err: error, connectionId: this.connectionId },
          'a task at the end of a connection failed',
        );
      }
    }
  }

  #ensureOutbox(): Outbox {
    this.#outbox ??= new Outbox(this.host, this.socket, this);
    return this.#outbox;
  }
}
