/**
 * A tiny load balancer for tests: every new connection goes to the next server whose `/readyz` says 200, byte for byte. What is open
 * stays where it is. Waits while no server is ready, as a client behind a real one would be made to.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #targets: readonly string[] = [];
  #turn = 0;

  private constructor() {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => void this.#pass(socket));
  }

  static async listen(...targets: string[]): Promise<Relay> {
    const relay = new Relay();
    relay.#targets = targets;
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** Where clients connect to: `http://127.0.0.1:<port>`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on new connections go to these servers. */
  use(...targets: string[]): void {
    this.#targets = targets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #pass(socket: Socket): Promise<void> {
    this.#keep(socket);
    const target = await this.#readyTarget();
    if (target === undefined || socket.destroyed) return void socket.destroy();
    const { hostname, port } = new URL(target);
    const upstream = connect(Number(port), hostname);
    this.#keep(upstream);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket)).on('error', () => socket.destroy());
  }

  /** Undefined when none is ready: the connection is refused then. */
  async #readyTarget(): Promise<string | undefined> {
    for (let tries = 0; tries < this.#targets.length; tries++) {
      this.#turn += 1;
      const target = this.#targets[this.#turn % this.#targets.length] ?? '';
      const ready = await fetch(`${target}/readyz`).catch(() => undefined);
      await ready?.body?.cancel();
      if (ready?.ok === true) return target;
    }
    return undefined;
  }
}
