/**
 * What the events of a streamed chat completion say: text, how it ended, what it cost. Owns the tolerance for the dialects of
 * compatible servers; refuses what cannot be understood instead of skipping it. No I/O.
 */
import { SseParser } from './sse.ts';

export type ModelFinish = 'stop' | 'length' | 'content_filter';
export type ModelUsage = { tokensIn: number; tokensOut: number };

/** The bytes are not a stream of completions. */
export class BrokenStreamError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BrokenStreamError';
  }
}

/** The provider reported a failure inside the stream. */
export class ProviderStreamError extends Error {
  /** HTTP-like status when the provider gave one. */
  readonly status: number | undefined;
  readonly code: string | undefined;

  constructor(status: number | undefined, code: string | undefined) {
    super('The provider reported an error in its stream.');
    this.name = 'ProviderStreamError';
    this.status = status;
    this.code = code;
  }
}

export class CompletionReader {
  readonly #sse = new SseParser((data, name) => this.#event(data, name));
  #text = '';
  /** A first half of a surrogate pair whose second half has not come yet. */
  #held = '';
  #refused = false;
  #wrote = false;
  /** What came before the first event: a server may answer with a document that it calls a stream. */
  #head: Buffer | undefined = Buffer.alloc(0);
  #usage: ModelUsage | undefined;

  /** `[DONE]` was read; nothing that follows counts. */
  done = false;
  finish: ModelFinish | undefined;
  /** Events with a completion in them so far, those without text included. */
  events = 0;

  /** What the provider counted. Undefined where it gave no count, or one that cannot be of this answer: then we count. */
  get usage(): ModelUsage | undefined {
    return this.#wrote && this.#usage?.tokensOut === 0 ? undefined : this.#usage;
  }

  /**
   * @returns the text that these bytes brought, well-formed UTF-16 that never ends within a surrogate pair; often empty.
   * @throws BrokenStreamError, ProviderStreamError, SseOverflowError; `takeText` still gives what came before.
   */
  push(chunk: Buffer): string {
    this.#sse.push(chunk);
    if (this.#head !== undefined) this.#keepHead(chunk);
    return this.takeText();
  }

  /** The connection has ended in order. @throws BrokenStreamError when the answer had not. */
  end(): string {
    this.#sse.end();
    if (this.events === 0 && !this.done) this.#document();
    if (!this.done && this.finish === undefined) throw new BrokenStreamError('The stream ended before the answer did.');
    return this.takeText(true);
  }

  /** @param last gives out a lone surrogate too (as U+FFFD): its other half will not come. */
  takeText(last = false): string {
    if (this.#text === '' && !(last && this.#held !== '')) return '';
    this.#wrote = true;
    let text = this.#held + this.#text;
    this.#text = '';
    this.#held = '';
    const unit = text.charCodeAt(text.length - 1);
    if (!last && unit >= 0xd800 && unit <= 0xdbff) {
      this.#held = text.slice(-1);
      text = text.slice(0, -1);
    }
    return text.isWellFormed() ? text : text.toWellFormed();
  }

  /** An answer that came as one JSON document although a stream was asked for. */
  whole(json: unknown): string {
    this.#completion(json, 'message');
    this.done = true;
    return this.takeText(true);
  }

  #keepHead(chunk: Buffer): void {
    const head = this.#head;
    const isOver = this.events > 0 || this.done || head === undefined || head.length > MAX_HEAD_BYTES;
    this.#head = isOver ? undefined : Buffer.concat([head, chunk]);
  }

  #document(): void {
    const text = this.#head?.toString().trim() ?? '';
    if (!text.startsWith('{')) return;
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch {
      return;
    }
    this.#completion(document, 'message');
    this.done = true;
  }

  #event(data: string, name: string): void {
    if (this.done) return;
    if (data.startsWith('[DONE]')) {
      this.done = true;
      return;
    }
    // A data-less event is a keep-alive of some servers.
    if (data === '') return;
    let event: unknown;
    try {
      event = JSON.parse(data);
    } catch {
      if (name === 'error') throw new ProviderStreamError(undefined, undefined);
      throw new BrokenStreamError('A chunk of the stream is not JSON.');
    }
    if (name === 'error' && isRecord(event) && event['error'] === undefined) throw providerError(event);
    this.#completion(event, 'delta');
  }

  #completion(event: unknown, part: 'delta' | 'message'): void {
    if (!isRecord(event)) throw new BrokenStreamError('A chunk of the stream is not a completion.');
    const { error, choices } = event;
    if (error !== undefined && error !== null) throw providerError(error);
    this.events++;
    this.#noteUsage(event['usage'] ?? (isRecord(event['x_groq']) ? event['x_groq']['usage'] : undefined));
    if (choices === undefined || choices === null) return;
    if (!Array.isArray(choices)) throw new BrokenStreamError('A chunk of the stream has malformed choices.');
    for (const choice of choices) this.#choice(choice, part);
  }

  #choice(choice: unknown, part: 'delta' | 'message'): void {
    if (!isRecord(choice)) throw new BrokenStreamError('A chunk of the stream has a malformed choice.');
    // We ask for one answer; a server that gives several is read for its first.
    if (choice['index'] !== undefined && choice['index'] !== 0) return;
    const delta = choice[part];
    if (isRecord(delta)) this.#delta(delta);
    const reason = choice['finish_reason'];
    if (typeof reason === 'string' && reason !== '') this.finish = this.#refused ? 'content_filter' : finishOf(reason);
  }

  /** Tool calls, reasoning, audio and the role are not part of what the person reads. */
  #delta(delta: Record<string, unknown>): void {
    const { content, refusal } = delta;
    if (typeof content === 'string') this.#text += content;
    else if (Array.isArray(content)) this.#text += content.map(textOfPart).join('');
    else if (content !== undefined && content !== null)
      throw new BrokenStreamError('A chunk of the stream has malformed content.');
    if (typeof refusal === 'string' && refusal !== '') {
      // A refusal is what the person has to read instead of an answer.
      this.#refused = true;
      this.#text += refusal;
    }
  }

  #noteUsage(usage: unknown): void {
    if (!isRecord(usage)) return;
    const tokensIn = usage['prompt_tokens'];
    const tokensOut = usage['completion_tokens'] ?? 0;
    // There is no request without a prompt: servers that say zero have not counted.
    if (isCount(tokensIn) && tokensIn > 0 && isCount(tokensOut)) this.#usage = { tokensIn, tokensOut };
  }
}

const MAX_HEAD_BYTES = 1024 * 1024;

function finishOf(reason: string): ModelFinish {
  if (reason === 'length' || reason === 'max_tokens' || reason === 'model_length') return 'length';
  if (reason === 'content_filter' || reason === 'safety') return 'content_filter';
  return 'stop';
}

function textOfPart(part: unknown): string {
  return isRecord(part) && typeof part['text'] === 'string' ? part['text'] : '';
}

function providerError(error: unknown): ProviderStreamError {
  if (!isRecord(error)) return new ProviderStreamError(undefined, undefined);
  const { status, code, type } = error;
  const number = [status, code].find((value): value is number => typeof value === 'number');
  const name = [code, type].find((value): value is string => typeof value === 'string');
  return new ProviderStreamError(number, name);
}

/** Far above what any model takes or gives: more is a mistake, and would not even fit into the rows of the answer. */
const MAX_TOKENS = 100_000_000;
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_TOKENS;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
