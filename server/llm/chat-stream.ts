/** One answer while it is being read: attempts, time limits, cancelling, the end. Says each thing to its listener once. */
import OpenAI from 'openai';
import { CompletionReader } from './completion-reader.ts';
import type { Dialect } from './dialect.ts';
import type { BodySink, DispatchFetch, StreamBody } from './dispatch-fetch.ts';
import { isAbort, ModelTimeoutError, toFailure } from './errors.ts';
import type { ChatRequest, StreamEnd, StreamHandle, StreamListener } from './model.ts';
import type { Watchdog, Watched } from './watchdog.ts';

export type StreamTimeouts = { firstTokenMs: number; idleMs: number; totalMs: number };

type Means = {
  sdk: OpenAI;
  bodyOf: DispatchFetch['bodyOf'];
  dialect: Dialect;
  watchdog: Watchdog;
  timeouts: StreamTimeouts;
  maxRetries: number;
};

/** How long a provider may hold the connection open behind its last event, or let us wait for one behind the end of its text. */
const LINGER_MS = 2_000;
/**
 * Beyond these an answer is cut. A token is an event or less than one where a server sends parts of characters, and rarely more than
 * a word; a chunk may carry several.
 */
const OVERRUN_EVENTS = 2;
const OVERRUN_UNITS = 64;
const OVERRUN_SLACK = 64;
/** What a server may put around the messages: its template, instructions of its own. */
const PROMPT_SLACK = 2_048;
/** Learning a dialect takes one attempt for each thing that a server does not know. */
const MAX_LESSONS = 4;

export class ChatStream implements StreamHandle, Watched {
  readonly #means: Means;
  readonly #request: ChatRequest;
  readonly #listener: StreamListener;
  readonly #totalDeadlineMs: number;
  readonly #cancel = new AbortController();
  #reader = new CompletionReader();
  #body: StreamBody | undefined;
  /** Callbacks of an attempt that was given up are not heard. */
  #attempt = 0;
  #brokenAttempts = 0;
  #lessons = 0;
  #anyText = false;
  #givenUnits = 0;
  #ended = false;
  /** What ended the answer from our side. */
  #timeout: ModelTimeoutError | undefined;
  #phase: 'asking' | 'first' | 'reading' | 'closing' | 'lingering' = 'asking';
  deadlineMs: number;

  constructor(means: Means, request: ChatRequest, listener: StreamListener) {
    this.#means = means;
    this.#request = request;
    this.#listener = listener;
    this.#totalDeadlineMs = means.watchdog.now() + means.timeouts.totalMs;
    this.deadlineMs = this.#totalDeadlineMs;
  }

  start(): void {
    void this.#ask();
  }

  abort(): void {
    if (this.#ended) return;
    this.#cutOff();
    this.#end({ finishReason: 'aborted', usage: this.#usage(), error: undefined });
  }

  onDeadline(): void {
    if (this.#phase === 'lingering') {
      this.#cutOff();
      return;
    }
    if (this.#phase === 'closing') {
      this.#cutOff();
      this.#finish();
      return;
    }
    const { firstTokenMs, idleMs, totalMs } = this.#means.timeouts;
    const overAll = this.#means.watchdog.now() >= this.#totalDeadlineMs;
    if (overAll) this.#timeout = new ModelTimeoutError('The whole answer', totalMs);
    else if (this.#phase === 'reading') this.#timeout = new ModelTimeoutError('The next token', idleMs);
    else this.#timeout = new ModelTimeoutError('The first token', firstTokenMs);
    this.#cutOff();
    this.#fail(this.#timeout);
  }

  #sink(attempt: number): BodySink {
    return {
      onChunk: (chunk) => {
        if (attempt === this.#attempt) this.#onChunk(chunk);
      },
      onEnd: () => {
        if (attempt === this.#attempt) this.#onEnd();
      },
      onError: (error) => {
        if (attempt === this.#attempt) this.#onError(error);
      },
    };
  }

  #onChunk(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      const text = this.#reader.push(chunk);
      if (this.#reader.events > 0) this.#progress();
      if (text !== '') this.#give(text);
      if (this.#reader.done) this.#finish();
      else if (this.#overruns()) this.#cutShort();
    } catch (error) {
      this.#salvage();
      this.#cutOff();
      this.#failOrRetry(error);
    }
  }

  #onEnd(): void {
    try {
      if (!this.#ended) {
        const text = this.#reader.end();
        if (text !== '') this.#give(text);
        this.#finish();
      }
      this.#means.watchdog.remove(this);
    } catch (error) {
      this.#salvage();
      this.#failOrRetry(error);
    }
  }

  #onError(error: Error): void {
    // Servers that close the connection hard behind a complete answer lose nothing.
    if (this.#ended || this.#reader.finish !== undefined) {
      this.#onEnd();
      return;
    }
    this.#salvage();
    this.#failOrRetry(error);
  }

  async #ask(): Promise<void> {
    const { sdk, dialect, timeouts, maxRetries, watchdog } = this.#means;
    watchdog.add(this);
    this.#phase = 'asking';
    this.deadlineMs = this.#totalDeadlineMs;
    try {
      const response = await sdk.chat.completions
        .create(dialect.paramsOf(this.#request), {
          signal: this.#cancel.signal,
          timeout: timeouts.firstTokenMs,
          maxRetries: Math.max(0, maxRetries - this.#brokenAttempts),
        })
        .asResponse();
      if (this.#ended) return;
      this.#phase = 'first';
      this.deadlineMs = Math.min(watchdog.now() + timeouts.firstTokenMs, this.#totalDeadlineMs);
      this.#body = this.#means.bodyOf(response);
      if (this.#body !== undefined) this.#body.readTo(this.#sink(++this.#attempt));
      else await this.#readWhole(response);
    } catch (error) {
      if (this.#ended) return;
      if (this.#learns(error)) return this.#ask();
      this.#fail(isAbort(error) && this.#timeout !== undefined ? this.#timeout : error);
    }
  }

  async #readWhole(response: Response): Promise<void> {
    const text = this.#reader.whole(await response.json().catch(() => undefined));
    if (this.#ended) return;
    if (text !== '') this.#give(text);
    this.#finish();
    this.#means.watchdog.remove(this);
  }

  #learns(error: unknown): boolean {
    if (!(error instanceof OpenAI.APIError) || (error.status !== 400 && error.status !== 422)) return false;
    const complaint = `${error.code ?? ''} ${error.param ?? ''} ${error.message}`;
    return this.#lessons++ < MAX_LESSONS && this.#means.dialect.learn(this.#request.model, complaint);
  }

  #progress(): void {
    if (this.#phase === 'closing') return;
    if (this.#reader.finish !== undefined) {
      // The text is complete; what may still come is the usage. Some servers never say `[DONE]`.
      this.#phase = 'closing';
      this.deadlineMs = Math.min(this.#means.watchdog.now() + LINGER_MS, this.#totalDeadlineMs);
      return;
    }
    this.#phase = 'reading';
    this.deadlineMs = Math.min(this.#means.watchdog.now() + this.#means.timeouts.idleMs, this.#totalDeadlineMs);
  }

  /** Far more than what was asked for at most: the server ignores the limit, and what it writes on nobody pays for. */
  #overruns(): boolean {
    const { maxOutputTokens } = this.#request;
    return (
      this.#reader.events > maxOutputTokens * OVERRUN_EVENTS + OVERRUN_SLACK ||
      this.#givenUnits > maxOutputTokens * OVERRUN_UNITS + OVERRUN_SLACK
    );
  }

  /** What the provider counted. Undefined where it did not, or where that cannot be of this answer: then we count, and nobody pays for a mistake. */
  #usage(): StreamEnd['usage'] {
    const { usage } = this.#reader;
    if (usage === undefined) return undefined;
    const { messages, maxOutputTokens } = this.#request;
    // No token is shorter than a byte of UTF-8.
    const longest = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), PROMPT_SLACK);
    return usage.tokensIn <= longest && usage.tokensOut <= maxOutputTokens ? usage : undefined;
  }

  #cutShort(): void {
    this.#cutOff();
    this.#end({ finishReason: 'length', usage: undefined, error: undefined });
  }

  #give(text: string): void {
    this.#anyText = true;
    this.#givenUnits += text.length;
    this.#listener.onText(text);
  }

  /** What came before a failure was paid for and may have been read: it is kept. */
  #salvage(): void {
    const text = this.#reader.takeText();
    if (text !== '') this.#give(text);
  }

  #failOrRetry(error: unknown): void {
    if (this.#anyText || this.#ended || this.#brokenAttempts >= this.#means.maxRetries || !isWorthRetrying(error)) {
      this.#fail(error);
      return;
    }
    this.#brokenAttempts++;
    this.#reader = new CompletionReader();
    this.#body = undefined;
    void this.#ask();
  }

  #finish(): void {
    this.#phase = 'lingering';
    this.deadlineMs = this.#means.watchdog.now() + LINGER_MS;
    this.#end({ finishReason: this.#reader.finish ?? 'stop', usage: this.#usage(), error: undefined });
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#means.watchdog.remove(this);
    this.#end({ finishReason: 'error', usage: this.#usage(), error: toFailure(error) });
  }

  #cutOff(): void {
    this.#means.watchdog.remove(this);
    this.#attempt++;
    const reason = new DOMException('This operation was aborted', 'AbortError');
    const body = this.#body;
    this.#body = undefined;
    if (body !== undefined) body.cancel(reason);
    else this.#cancel.abort(reason);
  }

  #end(end: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener.onEnd(end);
  }
}

/** An error that the provider itself reports in its stream is an answer; a torn or garbled stream may be chance. */
function isWorthRetrying(error: unknown): boolean {
  return toFailure(error).code === 'llm.broken_stream';
}
