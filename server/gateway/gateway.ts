/**
 * The server's edge: one uWS app with the socket at `/ws`, the HTTP routes and the page. It owns listening, the list of
 * connections and their end; it knows no domain. Everything it serves is handed in.
 */
import type { TemplatedApp, us_listen_socket, WebSocket } from 'uWebSockets.js';
import { type CloseReason, closeCodes } from '../../protocol/close-code.ts';
import { codecs, type Subprotocol } from '../../protocol/codec.ts';
import type { Push } from '../../protocol/down.ts';
import { PROTOCOL_VERSION } from '../../protocol/version.ts';
import type { Clock, Timer } from '../clock.ts';
import type { AllHandlers } from '../handlers.ts';
import type { Authenticator, Route } from '../http.ts';
import type { Connection } from './connection.ts';
import { Dispatcher } from './dispatch.ts';
import { Drain, type DrainOptions } from './drain.ts';
import { type Ending, endingOf } from './ending.ts';
import { FrameEncoder } from './frame-encoder.ts';
import { HttpEndpoint } from './http-endpoint.ts';
import type { ReplyContext } from './http-reply.ts';
import { HttpRouter } from './http-router.ts';
import { checkLimits, defaultLimits, type GatewayLimits, NATIVE_BACK_PRESSURE_BYTES } from './limits.ts';
import type { GatewayLog } from './log.ts';
import type { GatewayMetrics } from './metrics.ts';
import { noMetrics } from './metrics.ts';
import { loadUws, type UwsModule } from './native.ts';
import { OutboxHost } from './outbox-host.ts';
import { ConnectionRegistry } from './registry.ts';
import type { SocketData } from './socket.ts';
import type { StaticFiles } from './static-files.ts';
import { Upgrader } from './upgrade.ts';

export type GatewayOptions = {
  handlers: AllHandlers;
  authenticator: Authenticator;
  routes: readonly Route[];
  clock: Clock;
  log: GatewayLog;
  metrics?: GatewayMetrics;
  /** The built page; without it unknown addresses are 404. */
  files?: StaticFiles | undefined;
  limits?: Partial<GatewayLimits>;
  /** Paths of PEM files. */
  tls?: { keyFile: string; certFile: string; passphrase?: string } | undefined;
  /** Origins of pages elsewhere that may open sockets with a ticket. Pages of this host always may. */
  allowedOrigins?: readonly string[];
  /** Told of a user’s first connection here, of the end of his last, and of every one that comes or goes. */
  users?: {
    joined(userId: string): void;
    left(userId: string): void;
    changed(userId: string, how: 'opened' | 'closed'): void;
  };
  /** Proxies of ours in front, whose `X-Forwarded-For` is believed. */
  trustedHops?: number;
};

const SWEEP_MS = 5000;

export class Gateway {
  readonly connections: ConnectionRegistry;
  readonly limits: GatewayLimits;
  readonly #options: GatewayOptions;
  readonly #metrics: GatewayMetrics;
  readonly #uws: UwsModule;
  readonly #app: TemplatedApp;
  readonly #hosts: Readonly<Record<Subprotocol, OutboxHost>>;
  readonly #dispatcher: Dispatcher;
  readonly #endpoint: HttpEndpoint;
  #listenSocket: us_listen_socket | undefined;
  #sweep: Timer | undefined;
  #draining = false;
  #closed = false;

  /** @throws Error when the native library does not load or a limit makes no sense. */
  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#metrics = options.metrics ?? noMetrics;
    this.limits = checkLimits({ ...defaultLimits, ...options.limits });
    this.connections = new ConnectionRegistry(this.limits.framesPerUser.burst);
    this.#uws = loadUws();
    const shared = { limits: this.limits, clock: options.clock, log: options.log, metrics: this.#metrics };
    const encoder = new FrameEncoder();
    this.#hosts = {
      'tsumugi.v1.msgpack': new OutboxHost({ ...shared, encoder, codec: codecs['tsumugi.v1.msgpack'] }),
      'tsumugi.v1.json': new OutboxHost({ ...shared, encoder, codec: codecs['tsumugi.v1.json'] }),
    };
    this.#dispatcher = new Dispatcher({ ...shared, handlers: options.handlers });
    const replies: ReplyContext = { log: options.log, secure: options.tls !== undefined };
    const common = { ...shared, replies, authenticator: options.authenticator, trustedHops: options.trustedHops ?? 0 };
    this.#endpoint = new HttpEndpoint({ ...common, router: new HttpRouter(options.routes), files: options.files });
    const upgrader = new Upgrader({
      ...common,
      registry: this.connections,
      hosts: this.#hosts,
      allowedOrigins: options.allowedOrigins ?? [],
      isDraining: () => this.#draining,
      opened: (connection) => this.#opened(connection),
    });
    this.#app = this.#createApp(upgrader);
  }

  /** True once upgrades are refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Sockets whose client reads too slowly. */
  get blockedCount(): number {
    return Object.values(this.#hosts).reduce((sum, host) => sum + host.blockedCount, 0);
  }

  /**
   * Starts to listen. Port 0 takes a free one.
   * @throws Error when the port is taken or the host is not ours
   */
  async listen(port: number, host: string): Promise<{ port: number }> {
    const { promise, resolve } = Promise.withResolvers<us_listen_socket | false>();
    // Exclusive: otherwise Linux would let a second server share the port, and each would get some of the clients.
    listenExclusively(this.#app, host, port, resolve);
    const listenSocket = await promise;
    if (listenSocket === false) {
      throw new Error(
        port === 0
          ? `HOST: ${host} is no address of this machine.`
          : `PORT: ${port} is taken, or HOST: ${host} is no address of this machine.`,
      );
    }
    this.#listenSocket = listenSocket;
    this.#scheduleSweep();
    return { port: this.#uws.us_socket_local_port(listenSocket as never) };
  }

  /** Ends the sockets of one session; `last` is pushed before. @returns how many there were */
  closeSession(userId: string, sessionId: string, reason: CloseReason, last?: Push): number {
    const concerned = this.connections.ofUser(userId).filter((connection) => connection.sessionId === sessionId);
    return closeAll(concerned, reason, last);
  }

  /** Ends every socket of a user. @returns how many there were */
  closeUser(userId: string, reason: CloseReason, last?: Push): number {
    return closeAll(this.connections.ofUser(userId), reason, last);
  }

  /** Ends one socket. @returns false when there is no such connection */
  closeConnection(connectionId: string, reason: CloseReason): boolean {
    const connection = this.connections.find(connectionId);
    connection?.close(reason);
    return connection !== undefined;
  }

  /** From now on upgrades are refused with `draining`; everything else goes on. */
  refuseUpgrades(): void {
    this.#draining = true;
  }

  /**
   * Takes nobody in, tells every client and closes the sockets in batches, the idle ones first. HTTP is served on until
   * `close`, so that whoever balances the load sees why. Resolves when no socket is left.
   */
  async drain(options: Partial<DrainOptions> = {}): Promise<void> {
    this.#draining = true;
    const drain = new Drain(this.connections, this.#options.clock, options);
    await drain.run(() => this.#closed);
  }

  /** Ends everything at once. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#draining = true;
    this.#closed = true;
    this.#sweep?.cancel();
    this.#stopListening();
    closeAll([...this.connections], 'going_away');
    this.#app.close();
  }

  #createApp(upgrader: Upgrader): TemplatedApp {
    const app = this.#createBareApp();
    app.ws<SocketData>('/ws', {
      // Somewhat larger than our own limit, so that a slightly too large frame gets a close code.
      maxPayloadLength: this.limits.maxFrameBytes * 2,
      maxBackpressure: NATIVE_BACK_PRESSURE_BYTES,
      idleTimeout: this.limits.idleTimeoutS,
      sendPingsAutomatically: true,
      compression: this.#uws.DISABLED,
      upgrade: (res, req, context) => upgrader.handle(res, req, context),
      // No more than this: see there.
      open: (ws) => ws.getUserData().connection?.socket.open(ws),
      message: (ws, data, isBinary) => {
        const { connection } = ws.getUserData();
        if (connection !== undefined) this.#received(connection, data, isBinary);
      },
      ping: (ws, data) => {
        const { connection } = ws.getUserData();
        if (connection !== undefined) this.#dispatcher.pinged(connection, data.byteLength);
      },
      drain: (ws) => ws.getUserData().connection?.drained(),
      close: (ws, code, reason) => this.#gone(ws, code, reason),
    });
    app.any('/*', (res, req) => this.#endpoint.handle(res, req));
    return app;
  }

  #createBareApp(): TemplatedApp {
    const { tls } = this.#options;
    if (tls === undefined) return this.#uws.App();
    try {
      return this.#uws.SSLApp({
        key_file_name: tls.keyFile,
        cert_file_name: tls.certFile,
        ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
      });
    } catch {
      // uWS does not say why.
      throw new Error(`TLS: the certificate ${tls.certFile} or the key ${tls.keyFile} cannot be used.`);
    }
  }

  /** Never throws: its socket has been answered, a refusal could not be sent any more. */
  #opened(connection: Connection): void {
    const { log } = this.#options;
    try {
      this.#welcome(connection);
    } catch (error) {
      log.error({ err: error, connectionId: connection.connectionId }, 'a socket could not be welcomed');
      connection.close('internal');
    }
  }

  #welcome(connection: Connection): void {
    this.#metrics.connectionOpened();
    if (this.connections.add(connection)) this.#options.users?.joined(connection.userId);
    connection.answer({
      type: 'gateway.hello',
      body: {
        connectionId: connection.connectionId,
        userId: connection.userId,
        sessionId: connection.sessionId,
        protocol: PROTOCOL_VERSION,
        serverTime: new Date(this.#options.clock.now()).toISOString(),
        maxFrameBytes: this.limits.maxFrameBytes,
        idleTimeoutS: this.limits.idleTimeoutS,
      },
    } satisfies Push);
    this.#options.users?.changed(connection.userId, 'opened');
  }

  /** An exception within a callback of uWS would end the process. */
  #received(connection: Connection, data: ArrayBuffer, isBinary: boolean): void {
    try {
      this.#dispatcher.receive(connection, data, isBinary);
    } catch (error) {
      this.#options.log.error({ err: error, connectionId: connection.connectionId }, 'a frame could not be dispatched');
      connection.close('internal');
    }
  }

  #gone(ws: WebSocket<SocketData>, code: number, reason: ArrayBuffer): void {
    const data = ws.getUserData();
    const { connection } = data;
    if (connection === undefined) return;
    data.connection = undefined;
    // `SafeSocket.end` forgets the socket first.
    const ending = endingOf(connection.closed, code, reason);
    if (!this.connections.has(connection)) {
      this.#lostWhileOpening(connection);
      return;
    }
    if (this.connections.remove(connection)) this.#options.users?.left(connection.userId);
    this.#options.users?.changed(connection.userId, 'closed');
    this.#metrics.connectionClosed(code, ending);
    this.#logEnd(connection, code, ending);
    connection.gone();
  }

  /** Between its upgrade and the welcome nobody here can have closed it. */
  #lostWhileOpening(connection: Connection): void {
    this.#metrics.connectionOpened();
    this.#metrics.connectionClosed(1006, 'opening');
    const { connectionId, userId } = connection;
    this.#options.log.warn({ connectionId, userId }, 'a socket was lost while it was being opened');
    connection.gone();
  }

  /** One line for each socket that the server ended, at a level to be seen; the rest come and go. */
  #logEnd({ connectionId, userId, malformed, openedAtMs }: Connection, code: number, ending: Ending): void {
    const facts = { connectionId, userId, code, ending, malformed, livedMs: this.#options.clock.now() - openedAtMs };
    const { log } = this.#options;
    if (ending === 'server' && code !== closeCodes.going_away.code) log.info(facts, 'socket closed by the server');
    else if (ending === 'too_large' || ending === 'invalid_frame') log.info(facts, 'socket dropped by the transport');
    else log.debug(facts, 'socket closed');
  }

  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.after(Math.min(SWEEP_MS, this.limits.stallMs), () => {
      for (const host of Object.values(this.#hosts)) host.closeStalled();
      this.#scheduleSweep();
    });
  }

  #stopListening(): void {
    if (this.#listenSocket !== undefined) this.#uws.us_listen_socket_close(this.#listenSocket);
    this.#listenSocket = undefined;
  }
}

function closeAll(connections: readonly Connection[], reason: CloseReason, last?: Push): number {
  for (const connection of connections) {
    if (last !== undefined) connection.push(last);
    connection.close(reason);
  }
  return connections.length;
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT` of uSockets. */
const EXCLUSIVE_PORT = 1;
/** uWS takes host, port and options together, which its types do not say. */
type Listen = (host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void) => void;

function listenExclusively(app: TemplatedApp, host: string, port: number, done: Parameters<Listen>[3]): void {
  const listen = app.listen.bind(app) as unknown as Listen;
  listen(host, port, EXCLUSIVE_PORT, done);
}
