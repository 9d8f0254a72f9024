/**
 * `GET /ws`: who may open a socket, and in which subprotocol. Everything is refused here, before the upgrade, as JSON; after
 * it there are only frames and close codes.
 */

import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import { randomUUID } from 'node:crypto';
import { isSubprotocol, type Subprotocol, subprotocols } from '../../protocol/codec.ts';
import type { ErrorCode } from '../../protocol/error-code.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Authenticator, Principal } from '../http.ts';
import { clientAddress } from './address.ts';
import { Connection } from './connection.ts';
import { drainLimits } from './drain.ts';
import { type ReplyContext, sendError } from './http-reply.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { OutboxHost } from './outbox-host.ts';
import type { ConnectionRegistry } from './registry.ts';
import type { SocketData } from './socket.ts';

export type UpgradeOptions = {
  authenticator: Authenticator;
  registry: ConnectionRegistry;
  hosts: Readonly<Record<Subprotocol, OutboxHost>>;
  limits: GatewayLimits;
  clock: Clock;
  metrics: GatewayMetrics;
  replies: ReplyContext;
  /** Origins of pages on other hosts that may open sockets with a ticket, e.g. `https://app.example`. */
  allowedOrigins: readonly string[];
  trustedHops: number;
  isDraining: () => boolean;
  /** Told of each socket once uWS has opened it. */
  opened: (connection: Connection) => void;
};

/** Copied at once: uWS's request is gone after the first await. */
type UpgradeRequest = {
  key: string;
  offered: string;
  extensions: string;
  authorization: string;
  ticket: string | undefined;
  origin: string;
  hostName: string;
  language: string;
  connection: string;
  address: string;
  context: us_socket_context_t;
};

const LATE = 'The credentials could not be checked in time.';

export class Upgrader {
  readonly #options: UpgradeOptions;
  /** Upgrades whose credentials are being checked; they count as connections. */
  #pending = 0;

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  /** Never throws and never rejects: uWS would abort the process. */
  async handle(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): Promise<void> {
    const { limits, clock, metrics, replies, trustedHops } = this.#options;
    let over = false;
    res.onAborted(() => {
      if (!over) metrics.upgradeAbandoned();
      over = true;
    });
    const request = readUpgrade(res, req, context, trustedHops);
    const refuse = (error: unknown): void => {
      if (over) return;
      over = true;
      metrics.upgradeRefused(sendError(res, replies, error, { language: request.language, route: '/ws' }));
    };
    const timer = clock.after(limits.requestTimeoutMs, () => refuse(new AppError('busy', {}, LATE)));
    this.#pending++;
    try {
      const subprotocol = this.#check(request);
      const principal = await this.#authenticate(request);
      if (!over) this.#open(res, request, subprotocol, principal);
    } catch (error) {
      refuse(error);
    } finally {
      timer.cancel();
      this.#pending--;
    }
  }

  /** What can be refused without asking anybody. */
  #check(request: UpgradeRequest): Subprotocol {
    if (!asksForUpgrade(request.connection)) {
      throw new AppError(
        'protocol.malformed',
        {},
        'The header connection must name Upgrade; a proxy in front has to pass it on.',
      );
    }
    const { registry, limits, isDraining } = this.#options;
    if (isDraining()) throw new AppError('draining', { retryAfterMs: drainLimits.retryUpgradeMs });
    if (registry.count + this.#pending > limits.maxConnections) throw new AppError('busy');
    if (registry.countOfAddress(request.address) >= limits.maxConnectionsPerAddress) {
      throw tooMany('connections from this address');
    }
    const known = chooseSubprotocol(request.offered);
    if (known !== undefined) return known;
    const names = subprotocols.join(' and ');
    throw new AppError(
      'protocol.malformed',
      { offered: subprotocols },
      `The subprotocols of this server are ${names}.`,
    );
  }

  #authenticate(request: UpgradeRequest): Promise<Principal> {
    const { authenticator } = this.#options;
    const [scheme, token] = request.authorization.split(' ', 2);
    if (scheme?.toLowerCase() === 'bearer' && token) return authenticator.fromBearer(token);
    if (request.ticket === undefined || request.ticket === '') throw new AppError('identity.unauthenticated');
    // Only browsers send an origin, and only they can be made to by a page of somebody else.
    if (!this.#isAllowedOrigin(request)) {
      throw new AppError('identity.forbidden', {}, 'Pages of this origin may not open a socket.');
    }
    return authenticator.fromTicket(request.ticket);
  }

  #isAllowedOrigin(request: UpgradeRequest): boolean {
    if (request.origin === '' || this.#options.allowedOrigins.includes(request.origin)) return true;
    return URL.canParse(request.origin) && new URL(request.origin).host === request.hostName;
  }

  #open(res: HttpResponse, request: UpgradeRequest, subprotocol: Subprotocol, principal: Principal): void {
    const { registry, limits, clock, hosts, isDraining, opened } = this.#options;
    if (isDraining()) throw new AppError('draining', { retryAfterMs: drainLimits.retryUpgradeMs });
    const nowMs = clock.now();
    const user = registry.userEntry(principal.userId, nowMs);
    if (user.connections.length >= limits.maxConnectionsPerUser) throw tooMany('connections of this account');
    const connection = new Connection({
      connectionId: randomUUID(),
      user,
      sessionId: principal.sessionId,
      address: request.address,
      host: hosts[subprotocol],
      nowMs,
    });
    const data: SocketData = { connection };
    // A client that offered nothing must get no subprotocol, or it would close the connection.
    const answered = request.offered === '' ? '' : subprotocol;
    res.cork(() => res.upgrade(data, request.key, answered, request.extensions, request.context));
    // Only now, see `SafeSocket.open`. When uWS has closed the socket all the same, its close event has told of that.
    if (!connection.closed) opened(connection);
  }
}

function readUpgrade(
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
  trustedHops: number,
): UpgradeRequest {
  return {
    key: req.getHeader('sec-websocket-key'),
    offered: req.getHeader('sec-websocket-protocol'),
    extensions: req.getHeader('sec-websocket-extensions'),
    authorization: req.getHeader('authorization'),
    ticket: req.getQuery('ticket'),
    origin: req.getHeader('origin'),
    hostName: req.getHeader('host'),
    language: req.getHeader('accept-language'),
    connection: req.getHeader('connection'),
    address: clientAddress(res.getRemoteAddress(), req.getHeader('x-forwarded-for'), trustedHops),
    context,
  };
}

/** uWS would answer `Connection: close` with an upgrade and then close the socket without a word. */
function asksForUpgrade(connection: string): boolean {
  return connection === '' || connection.split(',').some((token) => token.trim().toLowerCase() === 'upgrade');
}

/** The first one offered that is known. A client that offers none is a simple one: it gets JSON. */
export function chooseSubprotocol(offered: string): Subprotocol | undefined {
  if (offered.trim() === '') return 'tsumugi.v1.json';
  return offered
    .split(',')
    .map((name) => name.trim())
    .find(isSubprotocol);
}

function tooMany(what: string): AppError {
  const code: ErrorCode = 'protocol.rate_limited';
  return new AppError(code, { retryAfterMs: 30_000 }, `There are too many ${what}.`);
}
