/**
 * The only code that touches a uWS socket. After the close event every call is a harmless no-op, where uWS itself would
 * throw. It refuses nothing and keeps no queue: that is the outbox's work.
 */
import type { WebSocket } from 'uWebSockets.js';
import type { Connection } from './connection.ts';

/** What uWS carries for each socket. */
export type SocketData = { connection: Connection | undefined };

export class SafeSocket {
  #ws: WebSocket<SocketData> | undefined = undefined;

  /**
   * The open event came. Nothing else may happen within that event, and no native memory be taken: behind an upgrade in a cork,
   * uWS (until its version of July 2026) reads a byte of memory which it has given back by then, and when something else has
   * written there, it may see `Connection: close` and closes the new socket without a word.
   */
  open(ws: WebSocket<SocketData>): void {
    this.#ws = ws;
  }

  get closed(): boolean {
    return this.#ws === undefined;
  }

  /**
   * Hands one message over; uWS copies it. Outside of a callback of uWS, several sends belong into `cork`.
   * @returns false when it was lost, because the socket is closed. A full buffer loses nothing: uWS then answers 0, which
   *   means accepted; 2 (dropped) lies beyond `NATIVE_BACK_PRESSURE_BYTES`.
   */
  send(bytes: Uint8Array, binary: boolean): boolean {
    return this.#ws !== undefined && this.#ws.send(bytes, binary, false) !== 2;
  }

  /** Bytes that the kernel has not taken yet. */
  buffered(): number {
    return this.#ws === undefined ? 0 : this.#ws.getBufferedAmount();
  }

  /** Runs `task` at once; what it sends leaves in one piece. */
  cork(task: () => void): void {
    if (this.#ws !== undefined) this.#ws.cork(task);
  }

  /** Sends a close frame behind what is buffered. The close event comes before this returns. */
  end(code: number, reason: string): void {
    const ws = this.#ws;
    this.#ws = undefined;
    ws?.end(code, reason);
  }

  /** The close event came: from here on uWS would throw. */
  forget(): void {
    this.#ws = undefined;
  }
}
