/**
 * A `fetch` for the SDK whose event streams bypass web streams: chunks arrive by callback, straight from undici's parser.
 * Owns the transport; knows no completions. Everything that is not an event stream is read whole into a common Response.
 */
import type { Dispatcher } from 'undici';
import { decodedTo } from './decoded-body.ts';
import { toErrorBody } from './error-body.ts';

export type BodySink = {
  /** Called synchronously from the parser; the bytes may be kept. */
  onChunk(chunk: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
};

/** The body of an event stream: keeps what arrives until someone reads, then hands it through. */
export class StreamBody {
  #sink: BodySink | undefined;
  #early: Buffer[] = [];
  #ended = false;
  #error: Error | undefined;
  readonly #abort: (reason: Error) => void;

  constructor(abort: (reason: Error) => void) {
    this.#abort = abort;
  }

  readTo(sink: BodySink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = [];
    for (const chunk of early) sink.onChunk(chunk);
    if (this.#error !== undefined) sink.onError(this.#error);
    else if (this.#ended) sink.onEnd();
  }

  /** Ends the request at the provider by closing its connection. */
  cancel(reason: Error): void {
    this.#abort(reason);
  }

  chunk(chunk: Buffer): void {
    if (this.#sink === undefined) this.#early.push(chunk);
    else this.#sink.onChunk(chunk);
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    if (this.#sink === undefined) return;
    if (error === undefined) this.#sink.onEnd();
    else this.#sink.onError(error);
  }
}

/** Larger documents than this are no answer of a model server. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

export type DispatchFetch = {
  fetch(url: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** The body of a response that is an event stream; undefined for others, whose body is in the Response itself. */
  bodyOf(response: Response): StreamBody | undefined;
};

/** @param maxRetryWaitMs a longer `Retry-After` is not waited for but reported: a person is waiting. */
export function createDispatchFetch(dispatcher: Dispatcher, options: { maxRetryWaitMs: number }): DispatchFetch {
  const bodies = new WeakMap<Response, StreamBody>();
  return {
    fetch: (url, init = {}) =>
      new Promise((resolve, reject) => {
        const target = new URL(url instanceof Request ? url.url : url);
        const exchange = new Exchange(
          init.signal ?? undefined,
          options.maxRetryWaitMs,
          target.pathname.endsWith('/chat/completions'),
          bodies,
          resolve,
          reject,
        );
        if (exchange.aborted) return;
        try {
          dispatcher.dispatch(
            {
              origin: target.origin,
              path: target.pathname + target.search,
              method: (init.method ?? 'GET') as Dispatcher.HttpMethod,
              // Compressed, a stream would come late and cost twice.
              headers: { ...Object.fromEntries(new Headers(init.headers)), 'accept-encoding': 'identity' },
              body: typeof init.body === 'string' ? init.body : null,
            },
            exchange,
          );
        } catch (error) {
          exchange.onResponseError(undefined, asError(error));
        }
      }),
    bodyOf: (response) => bodies.get(response),
  };
}

/** One request and its answer. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal | undefined;
  readonly #maxRetryWaitMs: number;
  readonly #asksForStream: boolean;
  readonly #bodies: WeakMap<Response, StreamBody>;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: Error) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #stream: StreamBody | undefined;
  /** Where the bytes of the body go first. */
  #incoming: BodySink | undefined;
  #document: Buffer[] = [];
  #documentBytes = 0;
  #status = 0;
  #headers = new Headers();

  constructor(
    signal: AbortSignal | undefined,
    maxRetryWaitMs: number,
    asksForStream: boolean,
    bodies: WeakMap<Response, StreamBody>,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ) {
    this.#signal = signal;
    this.#maxRetryWaitMs = maxRetryWaitMs;
    this.#asksForStream = asksForStream;
    this.#bodies = bodies;
    this.#resolve = resolve;
    this.#reject = reject;
    if (this.aborted) reject(asError(signal?.reason));
    else signal?.addEventListener('abort', this.#onAbort);
  }

  get aborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  readonly #onAbort = (): void => {
    const reason = asError(this.#signal?.reason);
    // Waiting in undici's queue there is no controller yet; onRequestStart sees the signal then.
    this.#controller?.abort(reason);
    this.#reject(reason);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.aborted) controller.abort(asError(this.#signal?.reason));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.#headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    // The SDK obeys this header of its vendor's servers; it is how a custom fetch says "do not wait".
    if (retryAfterMs(this.#headers) > this.#maxRetryWaitMs) this.#headers.set('x-should-retry', 'false');
    try {
      this.#incoming = decodedTo(this.#headers.get('content-encoding'), this.#body(controller));
    } catch (error) {
      controller.abort(asError(error));
      return;
    }
    if (status !== 200 || !this.#isStream()) return;
    this.#stream = new StreamBody((reason) => controller.abort(reason));
    const response = new Response(null, { status, headers: this.#headers });
    this.#bodies.set(response, this.#stream);
    this.#resolve(response);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#incoming?.onChunk(chunk);
  }

  onResponseEnd(): void {
    this.#forgetSignal();
    this.#incoming?.onEnd();
  }

  onResponseError(controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#forgetSignal();
    // A document that broke off is worth nothing, so that it need not be decoded to its end.
    if (this.#stream === undefined) this.#reject(error);
    else (this.#incoming ?? this.#body(controller)).onError(error);
  }

  /** Takes the body as it is meant. */
  #body(controller: Dispatcher.DispatchController | undefined): BodySink {
    return {
      onChunk: (chunk) => {
        if (this.#stream !== undefined) {
          this.#stream.chunk(chunk);
          return;
        }
        this.#documentBytes += chunk.length;
        if (this.#documentBytes > MAX_DOCUMENT_BYTES)
          controller?.abort(new Error('The answer is larger than any sane document.'));
        else this.#document.push(chunk);
      },
      onEnd: () => {
        if (this.#stream !== undefined) this.#stream.end();
        else this.#resolve(this.#toDocument());
      },
      onError: (error) => {
        if (this.#stream !== undefined) this.#stream.end(error);
        else this.#reject(error);
      },
    };
  }

  #toDocument(): Response {
    const init = { status: this.#status, headers: this.#headers };
    if (this.#status === 204 || this.#status === 205 || this.#status === 304) return new Response(null, init);
    const body = Buffer.concat(this.#document);
    return new Response(this.#status >= 400 ? new Uint8Array(toErrorBody(body)) : body, init);
  }

  /** Some servers send their events as text/plain; what is no JSON where a stream was asked for is read as one. */
  #isStream(): boolean {
    const type = (this.#headers.get('content-type') ?? '').toLowerCase();
    return type.startsWith('text/event-stream') || (this.#asksForStream && !type.includes('json'));
  }

  #forgetSignal(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

/** What `Retry-After` (seconds or a date) or `retry-after-ms` asks for; 0 when they say nothing. */
export function retryAfterMs(headers: Headers, nowMs = Date.now()): number {
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  if (exact >= 0) return Math.ceil(exact);
  const given = headers.get('retry-after');
  if (given === null) return 0;
  const seconds = Number.parseFloat(given);
  const waitMs = Number.isNaN(seconds) ? Date.parse(given) - nowMs : seconds * 1000;
  return waitMs > 0 ? Math.ceil(waitMs) : 0;
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException('This operation was aborted', 'AbortError');
}
