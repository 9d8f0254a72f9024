/**
 * A local server that speaks Stripe's HTTP protocol, for tests and for trying the flow offline. The real SDK works against it
 * unchanged. No money moves, and its pages say so. Owns HTTP: keys, request ids, idempotency, errors in Stripe's shape.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../clock.ts';
import { type ApiParts, answerApi } from './api.ts';
import { OfflineCheckout } from './checkout.ts';
import { OfflineConnect } from './connect.ts';
import { Params, parseForm } from './form.ts';
import { IdempotencyKeys, type StoredAnswer } from './idempotency.ts';
import { OfflineMoney } from './money.ts';
import { OfflineError } from './offline-error.ts';
import { answerPage } from './pages.ts';
import { OfflineStore } from './store.ts';
import { OfflineSubscriptions } from './subscriptions.ts';
import { API_VERSION, Webhooks } from './webhooks.ts';

export type OfflineOptions = {
  secretKey: string;
  clock: Clock;
  /** Where its objects outlive it; undefined: nowhere. */
  file?: string;
  port?: number;
};
/** Beside the protocol: what the world outside would do. */
export type OfflineStripe = Omit<ApiParts, 'pageUrl'> & {
  url: string;
  /** Told where events go; kept over a restart. @returns the secret they are signed with */
  sendEventsTo(url: string): string;
  /** Requests that fail from now on with this status, to see what happens; 0 is a cut connection. */
  failNext(count: number, status: number): void;
  readonly requests: number;
  close(): Promise<void>;
};

const MAX_BODY_BYTES = 1024 * 1024;
const TICK_MS = 60_000;

/** Listens on loopback when it resolves. */
export async function startOfflineStripe(options: OfflineOptions): Promise<OfflineStripe> {
  const { clock } = options;
  let url = '';
  const pageUrl = () => url;
  const store = new OfflineStore(clock, options.file);
  const webhooks = new Webhooks(store, clock);
  const money = new OfflineMoney(store, webhooks);
  const subscriptions = new OfflineSubscriptions(store, webhooks, money);
  const checkout = new OfflineCheckout(store, webhooks, money, subscriptions, pageUrl);
  const connect = new OfflineConnect(store, webhooks, pageUrl);
  const parts: ApiParts = { store, webhooks, money, subscriptions, checkout, connect, pageUrl };
  const http = new OfflineHttp(parts, options.secretKey);
  const server = createServer((request, response) => void http.answer(request, response));
  server.listen(options.port ?? 0, '127.0.0.1');
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let closed = false;
  const tick = (): void => {
    if (closed) return;
    subscriptions.runDue();
    checkout.runDue();
    clock.after(TICK_MS, tick);
  };
  clock.after(TICK_MS, tick);
  return {
    ...parts,
    url,
    sendEventsTo: (to) => endpointFor(store, to),
    failNext: (count, status) => http.failNext(count, status),
    get requests() {
      return http.requests;
    },
    async close() {
      closed = true;
      await webhooks.stop();
      await closeServer(server);
      store.save();
    },
  };
}

/** One endpoint: another address is the same server at another port. */
function endpointFor(store: OfflineStore, url: string): string {
  const [known] = store.list('webhook_endpoint');
  if (known !== undefined) {
    known.url = url;
    store.changed();
    return known.secret;
  }
  const secret = `whsec_${randomBytes(24).toString('hex')}`;
  store.add({ ...store.base('webhook_endpoint'), url, enabled_events: ['*'], status: 'enabled', secret });
  return secret;
}

class OfflineHttp {
  readonly #parts: ApiParts;
  readonly #secretKey: Buffer;
  readonly #keys: IdempotencyKeys;
  #failures: { left: number; status: number } = { left: 0, status: 500 };
  requests = 0;

  constructor(parts: ApiParts, secretKey: string) {
    this.#parts = parts;
    this.#secretKey = Buffer.from(secretKey);
    this.#keys = new IdempotencyKeys(() => parts.store.now());
  }

  failNext(left: number, status: number): void {
    this.#failures = { left, status };
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { pathname, search } = new URL(request.url ?? '/', 'http://offline');
      const body = await readText(request);
      if (pathname.startsWith('/v1/')) this.#api(request, response, pathname, search.slice(1), body);
      else this.#page(request, response, pathname, body);
    } catch (error) {
      sendJson(response, toAnswer(error));
    }
  }

  #api(request: IncomingMessage, response: ServerResponse, path: string, query: string, body: string): void {
    this.requests++;
    if (this.#failures.left > 0) {
      this.#failures.left--;
      if (this.#failures.status === 0) request.socket.destroy();
      else
        sendJson(
          response,
          toAnswer(new OfflineError(this.#failures.status, 'api_error', 'Told to fail.', undefined, 'api_error')),
        );
      return;
    }
    this.#checkKey(request.headers.authorization);
    const method = request.method ?? 'GET';
    const run = (): StoredAnswer => {
      try {
        const params = new Params(parseForm(method === 'GET' || method === 'DELETE' ? query || body : body));
        return { status: 200, body: answerApi(this.#parts, method, path, params) };
      } catch (error) {
        return toAnswer(error);
      }
    };
    const key = request.headers['idempotency-key'];
    if (method !== 'POST' || typeof key !== 'string') {
      sendJson(response, run());
      return;
    }
    const before = this.#keys.begin(key, path, body);
    if (before !== undefined) {
      sendJson(response, before, { 'idempotent-replayed': 'true' });
      return;
    }
    const answer = run();
    this.#keys.end(key, answer);
    sendJson(response, answer);
  }

  #page(request: IncomingMessage, response: ServerResponse, path: string, body: string): void {
    const action = new URLSearchParams(body).get('action') ?? '';
    const answer = answerPage(this.#parts, request.method ?? 'GET', path, action);
    if (answer === undefined) throw new OfflineError(404, 'unknown_url', 'There is nothing here.');
    if ('redirect' in answer) {
      response.writeHead(303, { location: answer.redirect }).end();
      return;
    }
    const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy })
      .end(answer.html);
  }

  #checkKey(authorization: string | undefined): void {
    const given = Buffer.from(/^Bearer (\S+)$/.exec(authorization ?? '')?.[1] ?? '');
    if (given.length === this.#secretKey.length && timingSafeEqual(given, this.#secretKey)) return;
    throw new OfflineError(401, 'invalid_api_key', 'Invalid API Key provided.');
  }
}

function toAnswer(error: unknown): StoredAnswer {
  const known =
    error instanceof OfflineError
      ? error
      : new OfflineError(500, 'api_error', 'The offline server failed.', undefined, 'api_error');
  const { type, code, message, param } = known;
  return { status: known.status, body: { error: { type, code, message, ...(param === undefined ? {} : { param }) } } };
}

function sendJson(response: ServerResponse, { status, body }: StoredAnswer, more: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  const headers = {
    'content-type': 'application/json',
    'request-id': `req_${randomBytes(8).toString('hex')}`,
    'stripe-version': API_VERSION,
    ...more,
  };
  response.writeHead(status, headers).end(JSON.stringify(body));
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new OfflineError(413, 'request_too_large', 'The request is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
