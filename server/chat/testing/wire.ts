/** A connection that a test can disturb: what lies behind it is whole, and cannot be reached. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #ends = new Set<Socket>();
  #held = false;
  #unanswered: { words: string; heard: () => void } | undefined;

  private constructor(port: number, host: string) {
    this.#server = createServer((near) => {
      const far = connect(port, host);
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  /** @param url of the server that lies behind the wire. */
  static async to(url: string): Promise<Wire> {
    const { port, hostname } = new URL(url);
    const wire = new Wire(Number(port), hostname);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  /** The same server, through the wire. */
  through(url: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href;
  }

  /** Nothing passes any more; nobody is told. */
  hold(): void {
    this.#held = true;
    for (const end of this.#ends) end.pause();
  }

  /** Whoever asks for something with these words is heard, and gets no answer. Resolves when the first one has asked. */
  answerNothingTo(words: string): Promise<void> {
    return new Promise((heard) => {
      this.#unanswered = { words, heard };
    });
  }

  /** What was held passes. */
  release(): void {
    this.#held = false;
    this.#unanswered = undefined;
    for (const end of this.#ends) end.resume();
  }

  /** What was held is lost, and its connections with it. New ones get through. */
  cut(): void {
    this.#held = false;
    this.#unanswered = undefined;
    for (const end of this.#ends) end.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(from: Socket, to: Socket): void {
    this.#ends.add(from);
    from
      .on('data', (bytes) => {
        const { words, heard } = this.#unanswered ?? {};
        if (words !== undefined && bytes.includes(words)) to.pause();
        to.write(bytes, () => to.isPaused() && heard?.());
      })
      .on('error', () => from.destroy())
      .on('close', () => {
        this.#ends.delete(from);
        to.destroy();
      });
    if (this.#held) from.pause();
  }
}
