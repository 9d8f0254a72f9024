/**
 * One device's way to the gateways: an address that changes to the next one when the one in use fails or asks to leave. What a
 * load balancer in front of the gateways would do, without one.
 */
import { WebSocket } from 'ws';
import type { WebSocketConstructor } from '../../../protocol/client/environment.ts';
import { closeCodes, reconnectAfter } from '../../../protocol/close-code.ts';
import type { WireTap } from './wire-tap.ts';

/** What the client closes with when nobody answers; the other side is not waited for. */
const nobodyAnswers = 3001;

export class Route {
  readonly #origins: readonly string[];
  #at: number;
  #socket: WebSocket | undefined;
  sockets = 0;

  constructor(origins: readonly string[], first: number) {
    this.#origins = origins;
    this.#at = first % origins.length;
  }

  get origin(): string {
    return this.#origins[this.#at] ?? '';
  }

  /** The other gateway from now on; an open socket stays where it is. */
  change(): void {
    this.#at = (this.#at + 1) % this.#origins.length;
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const { origin } = this;
    const { pathname, search } = new URL(String(input));
    try {
      const response = await globalThis.fetch(origin + pathname + search, init);
      if (response.status === 503 && origin === this.origin) this.change();
      return response;
    } catch (error) {
      if (origin === this.origin) this.change();
      throw error;
    }
  };

  /** For the client's option: sockets that go to the address in use and tell the tap what passes. */
  constructorFor(tap: WireTap): WebSocketConstructor {
    const route = this;
    return class extends WebSocket {
      readonly #ears = tap.listen();
      readonly #origin = route.origin;

      constructor(url: string, protocols: string[]) {
        const { pathname, search } = new URL(url);
        super(route.origin.replace('http', 'ws') + pathname + search, protocols, { perMessageDeflate: false });
        route.#socket = this;
        route.sockets += 1;
        this.addEventListener('message', (event) => this.#ears.down(event.data));
        this.on('close', (code) => this.#leave(code));
        this.on('error', () => {});
      }

      override send(data: string | Uint8Array): void {
        this.#ears.up(data);
        super.send(data);
      }

      override close(code?: number, reason?: string): void {
        if (code !== nobodyAnswers) {
          super.close(code, reason);
          return;
        }
        this.#leave(code);
        this.terminate();
      }

      #leave(code: number): void {
        const gone = code < 4000 && reconnectAfter(code) === 'later';
        if ((gone || code === closeCodes.going_away.code) && route.origin === this.#origin) route.change();
      }
    } as unknown as WebSocketConstructor;
  }

  /** As when the network is gone: no close frame, no warning. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Stops reading; what the server sends piles up on its side. */
  pause(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }
}
