/**
 * A WebSocket server for the client's tests: greets, answers what the test tells it to, and pushes or cuts on command.
 * It speaks the real transport and the real codecs; it knows no rules of chat.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { codecs, isSubprotocol } from '../codec.ts';
import type { DownBody, DownType } from '../down.ts';
import type { UpType } from '../up.ts';

export type Command = { type: UpType; id: number | string; body: Record<string, unknown> };

export class ScriptedConnection {
  readonly url: URL;
  readonly commands: Command[] = [];
  readonly socket: WebSocket;
  readonly #codec;

  constructor(socket: WebSocket, url: URL, onCommand: (connection: ScriptedConnection, command: Command) => void) {
    this.socket = socket;
    this.url = url;
    this.#codec = codecs[isSubprotocol(socket.protocol) ? socket.protocol : 'tsumugi.v1.json'];
    socket.on('message', (data: Buffer, binary) => {
      const command = this.#codec.decode(binary ? new Uint8Array(data) : data.toString()) as Command;
      this.commands.push(command);
      onCommand(this, command);
    });
  }

  push<T extends DownType>(type: T, body: DownBody<T>): void {
    this.socket.send(this.#codec.encode({ type, body }));
  }

  reply(id: Command['id'], body: object): void {
    this.socket.send(this.#codec.encode({ type: 'reply', id, body }));
  }

  fail(id: Command['id'], code: string, more: object = {}): void {
    this.socket.send(this.#codec.encode({ type: 'error', id, code, message: code, ...more }));
  }

  hello(maxFrameBytes = 65_536): void {
    this.push('gateway.hello', {
      connectionId: id(900),
      userId: id(901),
      sessionId: id(902),
      protocol: '1.0',
      serverTime: '2026-01-01T00:00:00.000Z',
      maxFrameBytes,
      idleTimeoutS: 60,
    });
  }
}

export class ScriptedServer implements AsyncDisposable {
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly connections: ScriptedConnection[] = [];
  readonly #waiting: (() => void)[] = [];
  /** Commands as they come; `gateway.ping` is answered without asking. */
  onCommand: (connection: ScriptedConnection, command: Command) => void = () => {};
  onConnection: (connection: ScriptedConnection) => void = (connection) => connection.hello();

  private constructor(http: Server) {
    this.#http = http;
    this.#sockets = new WebSocketServer({ server: http, path: '/ws' });
    this.#sockets.on('connection', (socket, request) => {
      const url = new URL(request.url ?? '/', 'ws://test');
      const connection = new ScriptedConnection(socket, url, (on, command) => {
        this.onCommand(on, command);
        this.#changed();
      });
      this.connections.push(connection);
      this.onConnection(connection);
      this.#changed();
    });
  }

  static async listen(): Promise<ScriptedServer> {
    const http = createServer((_, response) => response.writeHead(404).end());
    const server = new ScriptedServer(http);
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/ws`;
  }

  /** The connection with this number, as soon as there is one. */
  async connection(number: number): Promise<ScriptedConnection> {
    await this.until(() => this.connections.length > number);
    return this.connections[number] as ScriptedConnection;
  }

  /** The `nth` command of a type over all connections, as soon as it has come. */
  async command(type: UpType, nth = 0): Promise<{ connection: ScriptedConnection; command: Command }> {
    const found = () =>
      this.connections.flatMap((connection) =>
        connection.commands.filter((command) => command.type === type).map((command) => ({ connection, command })),
      );
    await this.until(() => found().length > nth);
    return found()[nth] as { connection: ScriptedConnection; command: Command };
  }

  /** Resolves when the condition holds; looked at after every connection and command. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.connections) socket.terminate();
    this.#sockets.close();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A UUID out of a number, readable in failures. */
export function id(number: number): string {
  return `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
}
