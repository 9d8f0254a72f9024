/**
 * A connected client as the rules see it: somewhere to push to. No socket, no encoding.
 * The gateway implements it and answers for back pressure.
 */
import type { CloseReason } from '../protocol/close-code.ts';
import type { Push } from '../protocol/down.ts';

/** How far a reader has been given a stream. `seq` is -1 and `offset` 0 before the first piece. */
export type Cursor = { epoch: number; seq: number; offset: number };

/**
 * A text that grows. The gateway pulls from it whenever the socket has room, so that a slow reader gets merged pieces and
 * never a queue: what it has not been given exists once, in the source.
 */
export interface StreamSource {
  /** Stable for the life of the stream. */
  readonly key: string;
  /** Of the owner that writes now. A reader with a cursor of another epoch gets a snapshot. */
  readonly epoch: number;
  /** UTF-16 units so far. A reader that is too far behind it gets a snapshot. */
  readonly length: number;
  /**
   * The one push that carries what comes behind `cursor`, of about `maxUnits` UTF-16 units at most (whole pieces, at least one),
   * and moves `cursor` past it (mutates it). Undefined when there is nothing new. Readers with equal cursors get the identical
   * object, so that its encoding can be shared.
   */
  next(cursor: Cursor, maxUnits: number): Push | undefined;
  /** The push that replaces whatever the reader has; sets `cursor` accordingly. Used when the reader fell far behind. */
  snapshot(cursor: Cursor): Push;
  /** True once nothing more will come; the last push is delivered, then the stream is forgotten. */
  readonly ended: boolean;
}

export interface Peer {
  readonly connectionId: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly closed: boolean;
  /**
   * Sends one push, in order, at the end of this turn: what a command's handler pushes follows the command's answer.
   * Over the hard limit the gateway closes the socket with `resume` instead of queueing on.
   */
  push(push: Push): void;
  /** Begins to deliver `source` from `cursor`. Pushes and stream pieces keep the order in which they became available. */
  addStream(source: StreamSource, cursor: Cursor): void;
  removeStream(key: string): void;
  /** Says that `source` has grown or ended. Cheap; called for every reader on every roll-up. */
  wakeStream(key: string): void;
  /** Runs once when the connection is gone. */
  onClose(task: (peer: Peer) => void): void;
  close(reason: CloseReason): void;
}

/** Who sent a command. */
export type Caller = Readonly<{
  userId: string;
  sessionId: string;
  peer: Peer;
}>;
