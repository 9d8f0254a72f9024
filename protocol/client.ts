/**
 * The typed client for browsers and Node: one socket that comes back by itself, commands with answers, pushes, conversations.
 * Owns the connection's state and its rebirth; refuses to repeat what could act twice. Needs only the global WebSocket and fetch.
 *
 * @example
 * const auth = new AuthClient({ url: 'http://127.0.0.1:3000' });
 * await auth.signIn('hana@example.com', 'correct horse battery');
 * const client = new TsumugiClient({ url: 'http://127.0.0.1:3000', getTicket: () => auth.socketTicket() });
 * await client.connect();
 * const { conversationId } = await client.request('chat.open', { avatarId, kind: 'conversation' });
 * const conversation = await client.conversation(conversationId);
 * for await (const piece of await conversation.send('Good morning')) process.stdout.write(piece);
 */
import { fetchTicket, postJson } from './auth-client.ts';
import { type Backoff, defaultBackoff, reconnectDelayMs } from './client/backoff.ts';
import { Conversation, type ConversationHost } from './client/conversation.ts';
import {
  type ClientClock,
  inBrowser,
  onNetwork,
  systemClientClock,
  type WebSocketConstructor,
} from './client/environment.ts';
import { asTsumugiError, TsumugiError } from './client/error.ts';
import { guarded } from './client/guarded.ts';
import { type Frame, Link } from './client/link.ts';
import { type RequestOptions, Requests } from './client/requests.ts';
import { closeCodes, type Reconnect, reconnectAfter } from './close-code.ts';
import { codecs } from './codec.ts';
import type { DownBody, DownType } from './down.ts';
import type { UpBody, UpReply, UpType } from './up.ts';

export type ClientState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';

export type TsumugiClientOptions = {
  /** `ws(s)://host/ws`, or the server's origin `http(s)://host`. */
  url: string;
  /** A fresh one-use ticket for every connection. */
  getTicket?: () => Promise<string>;
  /** Instead of `getTicket`: the client fetches tickets itself with this access token. */
  accessToken?: () => Promise<string>;
  /** Default `json`: as fast in browsers, and readable in their tools. */
  codec?: 'json' | 'msgpack';
  /** From the call to the answer, default 30,000. */
  requestTimeoutMs?: number;
  /** For upgrade and greeting, and for the answer to a heartbeat; default 10,000. */
  openTimeoutMs?: number;
  /** Silence after which the client asks whether the server is still there; 0 never asks. Default 25,000 in browsers, 0 in Node. */
  heartbeatMs?: number;
  backoff?: Backoff;
  /** Messages a page of a conversation, default 50. */
  pageSize?: number;
  random?: () => number;
  WebSocket?: WebSocketConstructor;
  fetch?: typeof globalThis.fetch;
  clock?: ClientClock;
};

type Listener = (body: never) => void;
type StateListener = (state: ClientState, reason: TsumugiError | undefined) => void;

/** A connection that lived this long was a good one: the next failure is the first. */
const stableMs = 5_000;
const defaultOpenTimeoutMs = 10_000;

export class TsumugiClient {
  readonly #options: TsumugiClientOptions;
  readonly #url: URL;
  readonly #clock: ClientClock;
  readonly #requests: Requests;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #stateListeners = new Set<StateListener>();
  readonly #conversations = new Map<string, Promise<Conversation>>();
  #state: ClientState = 'idle';
  #closeReason: TsumugiError | undefined;
  #hello: DownBody<'gateway.hello'> | undefined;
  #link: Link | undefined;
  #timer: { cancel(): void } | undefined;
  #heartbeat: { cancel(): void } | undefined;
  #stopListening: (() => void) | undefined;
  /** Counts the tries; a try that is not the latest any more does nothing when it comes back from the network. */
  #attempt = 0;
  #connections = 0;
  #failures = 0;
  #connectedAtMs: number | undefined;
  /** Asked for by a server that goes down: how long to stay away after it has closed the connection. */
  #stayAwayMs = 0;

  /** @throws TypeError for a URL that is none of HTTP or WebSockets. */
  constructor(options: TsumugiClientOptions) {
    this.#options = options;
    this.#url = socketUrl(options.url);
    this.#clock = options.clock ?? systemClientClock;
    this.#requests = new Requests(this.#clock, (frame) => this.#transmit(frame));
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Why the state is `closed`; undefined after `close()`. */
  get closeReason(): TsumugiError | undefined {
    return this.#closeReason;
  }

  /** The greeting of the connection, or of the last one. */
  get hello(): DownBody<'gateway.hello'> | undefined {
    return this.#hello;
  }

  /**
   * Connects, and keeps trying while the server is away; from then on the client reconnects by itself.
   * @throws TsumugiError when trying again is pointless (`identity.unauthenticated`) or `close` was called.
   */
  connect(): Promise<void> {
    if (this.#state === 'connected') return Promise.resolve();
    const connected = new Promise<void>((resolve, reject) => {
      const stop = this.onState((state, reason) => {
        if (state !== 'connected' && state !== 'closed') return;
        stop();
        if (state === 'connected') resolve();
        else reject(reason ?? TsumugiError.ofClient('client.closed'));
      });
    });
    if (this.#state === 'idle' || this.#state === 'closed') {
      this.#stopListening ??= onNetwork({
        back: () => this.#returned(),
        away: () => this.#state === 'connected' && this.#ask(),
      });
      this.#failures = 0;
      void this.#open();
    }
    return connected;
  }

  /** Ends the connection for good; unanswered requests fail with `client.closed`. `connect` opens it anew. */
  close(): void {
    if (this.#state === 'idle' || this.#state === 'closed') return;
    this.#shut(undefined);
  }

  /** @returns ends the listening. `reason` comes with `closed` and tells why, except after `close()`. */
  onState(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => void this.#stateListeners.delete(listener);
  }

  /** Listens to a push. @returns ends the listening. */
  on<T extends DownType>(type: T, listener: (body: DownBody<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener as Listener));
    return () => void listeners.delete(listener as Listener);
  }

  /**
   * Sends a command and waits for its answer; without a connection it waits for the next one within its time limit.
   * @param options.onReply runs while the answer is read, before any later frame is.
   * @throws TsumugiError the server's code, or `client.timeout`, `client.disconnected`, `client.aborted`, `client.closed`.
   */
  request<T extends UpType>(
    type: T,
    body: UpBody<T>,
    options: RequestOptions & { onReply?: (reply: UpReply<T>) => void } = {},
  ): Promise<UpReply<T>> {
    if (this.#state === 'closed') return Promise.reject(this.#closeReason ?? TsumugiError.ofClient('client.closed'));
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs ?? 30_000;
    // The server checks what it sends against the same schemas; here only the envelope has been.
    return this.#requests.add(
      type,
      body,
      { ...options, timeoutMs },
      options.onReply as ((body: object) => void) | undefined,
    ) as Promise<UpReply<T>>;
  }

  /** Attaches to a conversation. Calls for the same one share the object until it is detached. */
  conversation(conversationId: string): Promise<Conversation> {
    const known = this.#conversations.get(conversationId);
    if (known !== undefined) return known;
    const forget = () => {
      if (this.#conversations.get(conversationId) === attached) this.#conversations.delete(conversationId);
    };
    const attached: Promise<Conversation> = new Conversation(
      this.#host(),
      conversationId,
      this.#options.pageSize ?? 50,
      () => forget(),
    ).start();
    this.#conversations.set(conversationId, attached);
    attached.catch(forget);
    return attached;
  }

  #host(): ConversationHost {
    const client = this;
    return {
      clock: this.#clock,
      get connected() {
        return client.#state === 'connected';
      },
      get connections() {
        return client.#connections;
      },
      request: (type, body, options) => client.request(type, body, options),
      on: (type, listener) => client.on(type, listener),
      onConnected: (listener) => client.onState((state) => state === 'connected' && listener()),
      onClosed: (listener) =>
        client.onState(
          (state, reason) => state === 'closed' && listener(reason ?? TsumugiError.ofClient('client.closed')),
        ),
    };
  }

  async #open(): Promise<void> {
    this.#timer?.cancel();
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#setState('connecting');
    let url: string;
    try {
      url = await this.#socketUrl();
    } catch (error) {
      if (attempt === this.#attempt) this.#refused(asTsumugiError(error));
      return;
    }
    if (attempt !== this.#attempt) return;
    const { openTimeoutMs = defaultOpenTimeoutMs, codec = 'json' } = this.#options;
    const Ctor = this.#options.WebSocket ?? (globalThis.WebSocket as unknown as WebSocketConstructor);
    try {
      this.#link = new Link(url, codecs[`tsumugi.v1.${codec}`], Ctor, this.#clock, openTimeoutMs, {
        onHello: (hello) => attempt === this.#attempt && this.#greeted(hello),
        onFrame: (frame) => attempt === this.#attempt && this.#receive(frame),
        onEnd: (code, reason) => attempt === this.#attempt && this.#lost(code, reason),
      });
    } catch (error) {
      // A page of HTTPS may not open `ws:`, for one. It will not be allowed to the next time either.
      this.#shut(asTsumugiError(error));
    }
  }

  async #socketUrl(): Promise<string> {
    const { getTicket, accessToken, fetch = globalThis.fetch } = this.#options;
    const url = new URL(this.#url);
    const post = (path: string, headers: Record<string, string>) =>
      postJson(
        httpOrigin(url) + path,
        {},
        { headers, fetch, timeoutMs: this.#options.openTimeoutMs ?? defaultOpenTimeoutMs },
      );
    if (getTicket !== undefined) url.searchParams.set('ticket', await getTicket());
    else if (accessToken !== undefined) url.searchParams.set('ticket', await fetchTicket(await accessToken(), post));
    return url.href;
  }

  #greeted(hello: DownBody<'gateway.hello'>): void {
    this.#hello = hello;
    this.#connections += 1;
    this.#connectedAtMs = this.#clock.now();
    this.#beat();
    // Conversations attach first, so that what is sent again finds them listening.
    this.#setState('connected');
    this.#requests.sendAll();
  }

  #receive(frame: Frame): void {
    if (frame.type === 'reply' || frame.type === 'error') {
      // An error without an id tells of a frame that the server could not read: the close code that follows decides.
      if (frame['id'] !== null) this.#requests.answer(frame);
      return;
    }
    const body = frame['body'];
    if (frame.type === 'gateway.draining') this.#stayAwayMs = (body as DownBody<'gateway.draining'>).reconnectInMs;
    for (const listener of [...(this.#listeners.get(frame.type) ?? [])]) guarded(() => listener(body as never));
  }

  #transmit(frame: { type: string; id: number; body: object }): boolean {
    if (this.#state !== 'connected' || this.#link === undefined) return false;
    if (!this.#link.send(frame))
      throw new TsumugiError('protocol.too_large', 'The message is larger than the server takes.');
    return true;
  }

  /** No ticket was to be had. */
  #refused(error: TsumugiError): void {
    if (error.retry === 'never') this.#shut(error);
    else this.#wait('later', error.retryAfterMs ?? 0);
  }

  #lost(code: number, reason: string): void {
    this.#link = undefined;
    this.#heartbeat?.cancel();
    this.#requests.disconnected();
    if (this.#connectedAtMs !== undefined && this.#clock.now() - this.#connectedAtMs >= stableMs) this.#failures = 0;
    this.#connectedAtMs = undefined;
    const after = reconnectAfter(code);
    if (after === 'never') this.#shut(closedBy(code, reason));
    else this.#wait(after, this.#stayAwayMs);
    this.#stayAwayMs = 0;
  }

  #wait(after: Exclude<Reconnect, 'never'>, atLeastMs: number): void {
    const random = this.#options.random ?? Math.random;
    const delayMs = Math.max(
      atLeastMs,
      reconnectDelayMs(after, this.#failures, random(), this.#options.backoff ?? defaultBackoff),
    );
    this.#failures += 1;
    this.#timer = this.#clock.after(delayMs, () => void this.#open());
    this.#setState('waiting');
  }

  #shut(reason: TsumugiError | undefined): void {
    this.#attempt += 1;
    this.#timer?.cancel();
    this.#heartbeat?.cancel();
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#link?.close();
    this.#link = undefined;
    this.#connectedAtMs = undefined;
    this.#closeReason = reason;
    this.#requests.failAll(reason ?? TsumugiError.ofClient('client.closed'));
    this.#setState('closed');
  }

  /** The network is back or the page is looked at again: what was waiting tries now, what seemed open is asked. */
  #returned(): void {
    if (this.#state === 'waiting') void this.#open();
    else if (this.#state === 'connected') this.#ask();
  }

  #beat(): void {
    const everyMs = this.#options.heartbeatMs ?? (inBrowser() ? 25_000 : 0);
    if (everyMs <= 0) return;
    const silentMs = this.#silentMs();
    this.#heartbeat = this.#clock.after(silentMs >= everyMs ? everyMs : everyMs - silentMs, () => {
      if (this.#link !== undefined && this.#silentMs() >= everyMs) this.#ask();
      this.#beat();
    });
  }

  /** A clock that was set back since then does not tell: whoever wants to know has to ask. */
  #silentMs(): number {
    const silentMs = this.#clock.now() - (this.#link?.heardAtMs ?? 0);
    return silentMs < 0 ? Number.POSITIVE_INFINITY : silentMs;
  }

  /** A half-open connection looks alive until something is asked of it. */
  #ask(): void {
    const link = this.#link;
    this.request('gateway.ping', {}, { timeoutMs: this.#options.openTimeoutMs ?? defaultOpenTimeoutMs }).catch(
      (error: unknown) => {
        if (error instanceof TsumugiError && error.code === 'client.timeout' && link === this.#link)
          link?.abandon('no answer to a ping');
      },
    );
  }

  #setState(state: ClientState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state !== 'closed') this.#closeReason = undefined;
    for (const listener of [...this.#stateListeners]) guarded(() => listener(state, this.#closeReason));
  }
}

function closedBy(code: number, reason: string): TsumugiError {
  const known = Object.values(closeCodes).find((close) => close.code === code);
  const facts = { details: { closeCode: code, reason } };
  if (code === closeCodes.signed_out.code)
    return new TsumugiError('identity.unauthenticated', closeCodes.signed_out.says, facts);
  return new TsumugiError('client.closed', known?.says ?? `The server closed the connection with code ${code}.`, facts);
}

function socketUrl(text: string): URL {
  const url = new URL(text);
  if (url.protocol === 'http:') url.protocol = 'ws:';
  if (url.protocol === 'https:') url.protocol = 'wss:';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw new TypeError(`url: expected http(s)://host or ws(s)://host/ws, not ${url.protocol}`);
  if (url.pathname === '/') url.pathname = '/ws';
  return url;
}

function httpOrigin(socket: URL): string {
  return `${socket.protocol === 'wss:' ? 'https' : 'http'}://${socket.host}`;
}
