/** `WireSocket` in the form of a browser's WebSocket, for the client library: the cheapest way to be two thousand clients at once. */
import type { WebSocketLike } from '../../../protocol/client/environment.ts';
import { WireSocket } from '../../bench/client/wire-socket.ts';

const state = { connecting: 0, open: 1, closed: 3 } as const;

export class WireWebSocket implements WebSocketLike {
  binaryType = 'arraybuffer';
  readyState: number = state.connecting;
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  #wire: WireSocket | undefined;

  constructor(url: string, protocols: string[]) {
    const { port, pathname, search } = new URL(url);
    const headers = { 'Sec-WebSocket-Protocol': protocols.join(', ') };
    WireSocket.connect({ port: Number(port), path: pathname + search, headers }).then(
      (wire) => this.#opened(wire),
      () => this.#closed(1006),
    );
  }

  /** Every message, before the library gets it. */
  look(_message: string): void {}

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (typeof data === 'string') this.#wire?.sendText(data);
    else this.#wire?.sendBinary(data);
  }

  close(): void {
    this.#wire?.close();
  }

  /** As when the network is gone. */
  terminate(): void {
    this.#wire?.cut();
  }

  #opened(wire: WireSocket): void {
    this.#wire = wire;
    if (this.readyState === state.closed) {
      wire.cut();
      return;
    }
    this.readyState = state.open;
    wire.onMessage = (payload, isText) => {
      const data = isText ? payload.toString() : new Uint8Array(payload).buffer;
      if (typeof data === 'string') this.look(data);
      this.onmessage?.({ data } as never);
    };
    wire.onClose = (code) => this.#closed(code);
    this.onopen?.(undefined as never);
  }

  #closed(code: number): void {
    if (this.readyState === state.closed) return;
    this.readyState = state.closed;
    this.onclose?.({ code, reason: '' } as never);
  }
}
