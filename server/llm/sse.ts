/**
 * Server-sent events from bytes that arrive in any pieces. Owns the framing (the HTML standard's rules); knows nothing of
 * what an event says. Cuts only at line ends, so that no multi-byte character is ever decoded in halves.
 */
const LF = 10;
const CR = 13;

/** Gets the `data` of an event and its name (`message` unless the stream said otherwise). */
export type OnEvent = (data: string, name: string) => void;

/** The stream has a line or an event that is larger than any sane one. */
export class SseOverflowError extends Error {
  constructor(limitBytes: number) {
    super(`An event of the stream is larger than ${limitBytes} bytes.`);
    this.name = 'SseOverflowError';
  }
}

export class SseParser {
  readonly #onEvent: OnEvent;
  readonly #limitBytes: number;
  /** Bytes behind the last line end. */
  #rest: Buffer | undefined;
  #data: string | undefined;
  #name = 'message';
  #atStart = true;
  /** The last piece ended in CR: an LF that follows belongs to the same line end. */
  #skipLf = false;

  constructor(onEvent: OnEvent, limitBytes = 1024 * 1024) {
    this.#onEvent = onEvent;
    this.#limitBytes = limitBytes;
  }

  /** @throws SseOverflowError and whatever `onEvent` throws. */
  push(chunk: Buffer): void {
    const end = Math.max(chunk.lastIndexOf(LF), chunk.lastIndexOf(CR)) + 1;
    if (end === 0) {
      this.#keep(chunk);
      return;
    }
    const rest = this.#rest;
    const text =
      rest === undefined ? chunk.toString('utf8', 0, end) : Buffer.concat([rest, chunk.subarray(0, end)]).toString();
    this.#rest = undefined;
    this.#lines(text);
    if (end < chunk.length) this.#keep(chunk.subarray(end));
  }

  /** The connection has ended: an event whose blank line is missing still counts. */
  end(): void {
    if (this.#rest !== undefined) {
      const text = `${this.#rest.toString()}\n`;
      this.#rest = undefined;
      this.#lines(text);
    }
    this.#dispatch();
  }

  #keep(bytes: Buffer): void {
    // Copied, because a short tail would otherwise keep the whole network buffer alive.
    this.#rest = this.#rest === undefined ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    if (this.#rest.length > this.#limitBytes) throw new SseOverflowError(this.#limitBytes);
  }

  #lines(given: string): void {
    let text = given;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    if (this.#skipLf) {
      this.#skipLf = false;
      if (text.charCodeAt(0) === LF) text = text.slice(1);
    }
    if (text.includes('\r')) {
      this.#skipLf = text.charCodeAt(text.length - 1) === CR;
      text = text.replace(/\r\n?/g, '\n');
    }
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; from = to + 1, to = text.indexOf('\n', from)) {
      if (to === from) this.#dispatch();
      else this.#line(text.slice(from, to));
    }
  }

  #line(line: string): void {
    if (line.startsWith('data:')) {
      const value = line.slice(line.charCodeAt(5) === 32 ? 6 : 5);
      this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
      if (this.#data.length > this.#limitBytes) throw new SseOverflowError(this.#limitBytes);
    } else if (line.startsWith('event:')) {
      this.#name = line.slice(line.charCodeAt(6) === 32 ? 7 : 6);
    } else if (line === 'data') {
      this.#data = this.#data === undefined ? '' : `${this.#data}\n`;
    }
    // Comments (`: keep-alive`), `id`, `retry` and unknown fields say nothing to us.
  }

  #dispatch(): void {
    const data = this.#data;
    const name = this.#name;
    this.#data = undefined;
    this.#name = 'message';
    if (data !== undefined) this.#onEvent(data, name);
  }
}
