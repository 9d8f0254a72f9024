/**
 * Serves HTTP through uWS: reads the request before uWS forgets it, bounds body and time, checks the caller, and sees to it
 * that each request gets one reply unless its client went away. Routes are data; it knows none of them.
 */

import type { HttpResponse, HttpRequest as NativeRequest } from 'uWebSockets.js';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { parseJson } from '../../protocol/codec.ts';
import { MalformedFrame } from '../../protocol/msgpack-reader.ts';
import type { Clock } from '../clock.ts';
import { AppError, isAppError } from '../errors.ts';
import type { Authenticator, HttpReply, Principal, Route, RouteRequest } from '../http.ts';
import { clientAddress } from './address.ts';
import { type ReplyContext, sendError, sendReply } from './http-reply.ts';
import type { HttpRouter, Match } from './http-router.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { StaticFiles } from './static-files.ts';

export type HttpEndpointOptions = {
  router: HttpRouter;
  files: StaticFiles | undefined;
  authenticator: Authenticator;
  limits: GatewayLimits;
  clock: Clock;
  metrics: GatewayMetrics;
  replies: ReplyContext;
  trustedHops: number;
};

/** One request under way. `done` means: replied or aborted; uWS's response must not be touched again. */
type Exchange = {
  res: HttpResponse;
  request: RouteRequest;
  abort: AbortController;
  startedMs: number;
  route: string;
  done: boolean;
};

/** What is counted for a request whose client left before the reply; nobody is sent it. */
const ABANDONED = 499;

export class HttpEndpoint {
  readonly #options: HttpEndpointOptions;
  #active = 0;

  constructor(options: HttpEndpointOptions) {
    this.#options = options;
  }

  /** Requests that have not been answered yet. */
  get active(): number {
    return this.#active;
  }

  /** Never throws and never rejects: uWS would abort the process. */
  async handle(res: HttpResponse, req: NativeRequest): Promise<void> {
    const exchange = this.#begin(res, req);
    this.#active++;
    const timer = this.#options.clock.after(this.#options.limits.requestTimeoutMs, () => {
      this.#fail(exchange, new AppError('busy', {}, 'The request was not answered in time.'), true);
      exchange.abort.abort();
    });
    try {
      const reply = await this.#answer(exchange);
      this.#reply(exchange, reply);
    } catch (error) {
      const unread = isAppError(error, 'protocol.too_large') || !isFramed(exchange.request.headers);
      this.#fail(exchange, error, unread);
    } finally {
      timer.cancel();
      this.#active--;
    }
  }

  #begin(res: HttpResponse, req: NativeRequest): Exchange {
    const headers = new Map<string, string>();
    req.forEach((name, value) => {
      const before = headers.get(name);
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    });
    const abort = new AbortController();
    const request: RouteRequest = {
      method: req.getCaseSensitiveMethod(),
      path: req.getUrl(),
      query: new URLSearchParams(req.getQuery()),
      headers,
      body: undefined,
      rawBody: new Uint8Array(),
      address: clientAddress(res.getRemoteAddress(), headers.get('x-forwarded-for') ?? '', this.#options.trustedHops),
      cookies: parseCookies(headers.get('cookie') ?? ''),
      signal: abort.signal,
    };
    const exchange: Exchange = { res, request, abort, startedMs: performance.now(), route: 'none', done: false };
    res.onAborted(() => {
      if (!exchange.done) this.#count(exchange, ABANDONED);
      exchange.done = true;
      abort.abort();
    });
    return exchange;
  }

  async #answer(exchange: Exchange): Promise<HttpReply> {
    const { request } = exchange;
    if (!isFramed(request.headers)) {
      // Until all that came has been looked at: uWS cuts a line on which another request stands behind an unanswered one.
      await setImmediate();
      throw new AppError('protocol.malformed', {}, 'The body needs one content-length, or transfer-encoding: chunked.');
    }
    const match = this.#options.router.find(request.method, request.path);
    if (match === undefined) return this.#file(exchange);
    const { route } = match;
    exchange.route = route.path;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      // Registered before the first await: uWS hands the body over as it comes.
      const body = readBody(exchange, route.maxBodyBytes ?? this.#options.limits.maxBodyBytes);
      // Whoever is refused for who they are does not learn what is wrong with their body.
      const [bytes, caller] = await Promise.all([body, this.#caller(route, request)]);
      request.rawBody = bytes;
      if (caller !== undefined) request.caller = caller;
      if (route.takesBytes !== true) readBodyOf(request, match);
    } else {
      const caller = await this.#caller(route, request);
      if (caller !== undefined) request.caller = caller;
    }
    return route.handle(request, match.params);
  }

  #file(exchange: Exchange): HttpReply {
    const { method, path, headers } = exchange.request;
    if (path === '/ws') {
      throw new AppError('protocol.malformed', {}, 'This address takes WebSocket upgrades only.');
    }
    if (method === 'GET' || method === 'HEAD') {
      const file = this.#options.files?.find(path, headers);
      if (file !== undefined) {
        exchange.route = 'file';
        return file;
      }
    }
    throw new AppError('protocol.not_found');
  }

  async #caller(route: Route, request: RouteRequest): Promise<Principal | undefined> {
    const auth = route.auth ?? 'none';
    if (auth === 'none') return undefined;
    const [scheme, token] = (request.headers.get('authorization') ?? '').split(' ', 2);
    if (scheme?.toLowerCase() !== 'bearer' || !token) throw new AppError('identity.unauthenticated');
    const principal = await this.#options.authenticator.fromBearer(token);
    if (auth === 'admin' && !principal.roles.includes('admin')) throw new AppError('identity.forbidden');
    return principal;
  }

  #reply(exchange: Exchange, reply: HttpReply): void {
    if (exchange.done) return;
    exchange.done = true;
    sendReply(exchange.res, this.#options.replies, reply, { headOnly: exchange.request.method === 'HEAD' });
    this.#count(exchange, reply.status);
  }

  #fail(exchange: Exchange, error: unknown, closeConnection: boolean): void {
    if (exchange.done) return;
    exchange.done = true;
    const status = sendError(exchange.res, this.#options.replies, error, {
      language: exchange.request.headers.get('accept-language') ?? '',
      route: exchange.route,
      headers: allowHeader(error),
      headOnly: exchange.request.method === 'HEAD',
      closeConnection,
    });
    this.#count(exchange, status);
  }

  #count(exchange: Exchange, status: number): void {
    const durationMs = performance.now() - exchange.startedMs;
    this.#options.metrics.requestDone(exchange.request.method, exchange.route, status, durationMs);
  }
}

function allowHeader(error: unknown): Record<string, string> {
  const isMethod = error instanceof AppError && error.code === 'protocol.method_not_allowed';
  return isMethod && Array.isArray(error.details['allow']) ? { allow: error.details['allow'].join(', ') } : {};
}

/**
 * False where the end of the body is a matter of opinion: uWS takes the first of several lengths and any encoding for `chunked`;
 * a proxy in front may see it otherwise, and then somebody's body is somebody else's request.
 */
function isFramed(headers: ReadonlyMap<string, string>): boolean {
  const length = headers.get('content-length') ?? '0';
  const encoding = headers.get('transfer-encoding') ?? 'chunked';
  return /^\d+$/.test(length) && encoding.toLowerCase() === 'chunked';
}

/** The bytes of the body. @throws AppError `protocol.too_large` before more than `maxBytes` are kept */
function readBody(exchange: Exchange, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(exchange.request.headers.get('content-length') ?? '0');
  const chunks: Uint8Array[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const tooLarge = (): void => reject(new AppError('protocol.too_large', { maxBytes }));
    if (announced > maxBytes) tooLarge();
    exchange.res.onData((chunk, isLast) => {
      size += chunk.byteLength;
      if (size > maxBytes) {
        tooLarge();
        return;
      }
      // A copy: uWS empties the chunk when this returns.
      chunks.push(new Uint8Array(chunk.slice(0)));
      if (isLast) resolve(join(chunks, size));
    });
    exchange.request.signal.addEventListener('abort', () => reject(new AppError('busy')), { once: true });
  });
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Who is refused for who they are learns nothing about their body, also where the route finds out by itself. */
function readBodyOf(request: RouteRequest, match: Match): void {
  try {
    readJson(request, match);
  } catch (error) {
    if (match.route.checksItself !== 'admin' || !(error instanceof AppError)) throw error;
    request.bodyFault = error;
  }
}

/** Fills `request.body`. An empty body is an empty object, so that a route whose members are all optional takes it. */
function readJson(request: RouteRequest, match: Match): void {
  const isJson = /^application\/json\b/i.test(request.headers.get('content-type') ?? '');
  const isEmpty = request.rawBody.byteLength === 0;
  if (match.checkBody !== undefined && !isEmpty && !isJson) {
    // Also what keeps forms of other sites out: this type cannot be sent without asking us first.
    throw new AppError('protocol.malformed', {}, 'Send the body with content-type: application/json.');
  }
  if (isJson && !isEmpty) request.body = readJsonBody(request.rawBody);
  else if (match.checkBody !== undefined) request.body = {};
  match.checkBody?.(request.body);
}

function readJsonBody(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes);
  } catch (error) {
    const why = error instanceof MalformedFrame ? error.message : 'it cannot be read';
    throw new AppError('protocol.malformed', {}, `The body could not be decoded (${why}).`);
  }
}

/** Later cookies of the same name lose, as browsers send the most specific one first. */
export function parseCookies(header: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at < 1) continue;
    const name = pair.slice(0, at).trim();
    const value = pair
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    if (!cookies.has(name)) cookies.set(name, value);
  }
  return cookies;
}
