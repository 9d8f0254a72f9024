/** For tests of the gateway: a listening one with handlers, routes and callers made for the case, and `ws` as client. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { codecs, type Subprotocol } from '../../protocol/codec.ts';
import { upFrames } from '../../protocol/up.ts';
import { systemClock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { AllHandlers } from '../handlers.ts';
import type { Authenticator, Principal } from '../http.ts';
import { gatewayFrames } from './frames.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import type { GatewayLog } from './log.ts';

export const USER_ID = '018f3d3e-7c1a-7000-8000-000000000001';
export const SESSION_ID = '018f3d3e-7c1a-7000-8000-00000000000a';

/** Token or ticket `good` is a user, `admin` an administrator, `user-<n>` the n-th user; anything else is nobody. */
export const testAuthenticator: Authenticator = { fromBearer: principalOf, fromTicket: principalOf };

async function principalOf(credential: string): Promise<Principal> {
  const roles = credential === 'admin' ? ['admin'] : [];
  if (credential === 'good' || credential === 'admin') return { userId: USER_ID, sessionId: SESSION_ID, roles };
  const number = /^user-(\d{1,6})$/.exec(credential)?.[1];
  if (number === undefined) throw new AppError('identity.unauthenticated');
  return { userId: `018f3d3e-7c1a-7000-8000-${number.padStart(12, '0')}`, sessionId: SESSION_ID, roles };
}

/** Every command: the given ones, and a refusal for the rest. */
export function handlersWith(some: Partial<AllHandlers>): AllHandlers {
  const refuse = (): never => {
    throw new AppError('chat.conversation_not_found');
  };
  const rest = Object.fromEntries(upFrames.map((frame) => [frame.type, refuse])) as unknown as AllHandlers;
  return { ...rest, ...gatewayFrames(systemClock), ...some };
}

export type LogLine = { level: string; facts: object; message: string };

/** Messages of a log's lines of one level. */
export function messagesOf(log: { lines: LogLine[] }, level: string): string[] {
  return log.lines.filter((line) => line.level === level).map((line) => line.message);
}

/** A log that keeps its lines. */
export function memoryLog(lines: LogLine[] = []): GatewayLog & { lines: LogLine[] } {
  const at = (level: string) => (facts: object, message: string) => void lines.push({ level, facts, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export type TestGateway = {
  gateway: Gateway;
  url: string;
  httpUrl: string;
  port: number;
  log: ReturnType<typeof memoryLog>;
};

/** Listens on a free port; the caller closes. */
export async function startGateway(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const log = memoryLog();
  const gateway = new Gateway({
    handlers: handlersWith({}),
    authenticator: testAuthenticator,
    routes: [],
    clock: systemClock,
    log,
    ...options,
  });
  const { port } = await gateway.listen(0, '127.0.0.1');
  return { gateway, port, log, url: `ws://127.0.0.1:${port}/ws`, httpUrl: `http://127.0.0.1:${port}` };
}

export type Frame = { type: string; id?: unknown; code?: string; body?: Record<string, unknown> } & Record<
  string,
  unknown
>;

/** A client that keeps what it gets, so that tests wait for a frame and never for time. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly #subprotocol: Subprotocol;
  readonly #waiting: { fits: (frame: Frame) => boolean; resolve: (frame: Frame) => void }[] = [];

  constructor(url: string, subprotocol: Subprotocol = 'tsumugi.v1.json', token = 'good') {
    this.#subprotocol = subprotocol;
    this.socket = new WebSocket(url, subprotocol, { headers: { authorization: `Bearer ${token}` } });
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    this.socket.on('error', () => {});
    this.socket.on('message', (data: Buffer, isBinary) => {
      const frame = codecs[subprotocol].decode(isBinary ? new Uint8Array(data) : data.toString()) as Frame;
      this.frames.push(frame);
      for (const waiter of this.#waiting.filter((one) => one.fits(frame))) {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.resolve(frame);
      }
    });
  }

  static async open(url: string, subprotocol?: Subprotocol, token?: string): Promise<TestClient> {
    const client = new TestClient(url, subprotocol, token);
    await once(client.socket, 'open');
    await client.frame((frame) => frame.type === 'gateway.hello');
    return client;
  }

  /** The first frame that fits, now or later. Rejects when the socket closes before. */
  frame(fits: (frame: Frame) => boolean): Promise<Frame> {
    const found = this.frames.find(fits);
    if (found) return Promise.resolve(found);
    const arrived = new Promise<Frame>((resolve) => this.#waiting.push({ fits, resolve }));
    const ended = this.closed.then((code): never => {
      throw new Error(`The socket closed with ${code} before the frame came.`);
    });
    return Promise.race([arrived, ended]);
  }

  send(frame: object): void {
    this.socket.send(codecs[this.#subprotocol].encode(frame));
  }

  /** Sends a command and waits for its answer. */
  ask(type: string, body: unknown, id: string | number = `${type}-${this.frames.length}`): Promise<Frame> {
    this.send({ type, id, body });
    return this.frame((frame) => frame.id === id);
  }
}
