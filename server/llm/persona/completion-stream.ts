/** One streamed answer on its way out: server-sent events in OpenAI's shape, one piece each time it is due. */
import type { ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import type { Fault } from './faults.ts';
import type { Paced } from './pacer.ts';

export type StreamHead = { id: string; created: number; model: string };
type Plan = {
  head: StreamHead;
  answer: Answer;
  fault: Fault | undefined;
  msPerToken: number;
  firstTokenMs: number;
  /** Undefined: the client did not ask. */
  usage: (() => object) | undefined;
};

/** A reader that has this much unread gets nothing more until it has read. */
const MAX_UNREAD_BYTES = 256 * 1024;

export class CompletionStream implements Paced {
  readonly #out: ServerResponse;
  readonly #plan: Plan;
  readonly #before: string;
  readonly #newline: string;
  #next = 0;
  dueMs: number;

  constructor(out: ServerResponse, plan: Plan) {
    this.#out = out;
    this.#plan = plan;
    this.#newline = plan.fault?.name === 'crlf' ? '\r\n' : '\n';
    const { id, created, model } = plan.head;
    this.#before = `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model }).slice(0, -1)},"choices":[{"index":0,"delta":`;
    this.dueMs = performance.now() + plan.firstTokenMs;
    out.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
    });
    // Real servers open with the role; it goes out with the headers, before any token is due.
    this.#send(`${this.#before}{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`);
  }

  step(): boolean {
    const { answer, msPerToken, fault } = this.#plan;
    if (this.#out.destroyed) return false;
    if (fault !== undefined && this.#misbehaves(fault)) return false;
    if (this.#out.writableLength > MAX_UNREAD_BYTES) {
      this.dueMs += msPerToken;
      return true;
    }
    const piece = answer.pieces[this.#next++];
    if (piece === undefined) {
      this.#finish(answer.finishReason);
      return false;
    }
    this.dueMs += msPerToken * piece.tokens;
    if (fault?.name === 'split-surrogates')
      for (let i = 0; i < piece.text.length; i++) this.#token(piece.text[i] ?? '');
    else this.#token(piece.text);
    return true;
  }

  #token(text: string): void {
    this.#send(`${this.#before}{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":null}]}`);
  }

  /** Returns true when the stream ends here. */
  #misbehaves({ name, amount }: Fault): boolean {
    if (name === 'stall') return this.#next >= amount;
    const isTime = this.#next === amount;
    if (name === 'drop' && isTime) this.#out.destroy();
    else if (name === 'malformed' && isTime) this.#send('data: {"id": "broken');
    else if (name === 'stream-error' && isTime)
      this.#send('data: {"error":{"message":"The server had an error.","type":"server_error","code":null}}');
    else if (name === 'content-filter' && isTime) this.#finish('content_filter');
    else if (name === 'no-end' && isTime) this.#out.end();
    else return false;
    if (name === 'stream-error' || name === 'malformed') this.#out.end();
    return true;
  }

  #finish(reason: string): void {
    const { usage, head, fault } = this.#plan;
    this.#send(`${this.#before}{},"logprobs":null,"finish_reason":"${reason}"}]}`);
    if (usage !== undefined && fault?.name !== 'no-usage') {
      this.#send(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [], usage: usage() })}`);
    }
    this.#out.end(`data: [DONE]${this.#newline}${this.#newline}`);
  }

  #send(event: string): void {
    this.#out.write(event + this.#newline + this.#newline);
  }
}
