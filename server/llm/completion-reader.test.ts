import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BrokenStreamError, CompletionReader, ProviderStreamError } from './completion-reader.ts';
import { SseOverflowError, SseParser } from './sse.ts';

const delta = (content: string) =>
  JSON.stringify({ id: 'x', choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const finish = JSON.stringify({ id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const usage = JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 3 } });

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

function readAll(chunks: readonly Buffer[]): { text: string; pieces: string[]; reader: CompletionReader } {
  const reader = new CompletionReader();
  const pieces = chunks.map((chunk) => reader.push(chunk));
  pieces.push(reader.end());
  return { text: pieces.join(''), pieces: pieces.filter((piece) => piece !== ''), reader };
}

const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom('糸', '🧵', 'あ', '\n', '"', '\\', '\u2028'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
});
const anyCuts = fc.array(fc.nat(20_000), { maxLength: 40 });
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

describe('any chunking gives the same text', () => {
  test('whatever the pieces, line ends, comments and byte order mark', () => {
    fc.assert(
      fc.property(
        fc.array(anyText, { maxLength: 12 }),
        anyCuts,
        lineEnd,
        fc.boolean(),
        fc.boolean(),
        (texts, cuts, end, bom, comments) => {
          const events = [...texts.map(delta), finish, usage, '[DONE]'];
          const body = events
            .map((event) => `${comments ? `: keep-alive${end}id: 1${end}` : ''}data: ${event}${end}${end}`)
            .join('');
          const { text, pieces, reader } = readAll(cut(Buffer.from((bom ? '\ufeff' : '') + body), cuts));
          expect(text).toBe(texts.join('').toWellFormed());
          expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
          expect(reader).toMatchObject({ done: true, finish: 'stop', usage: { tokensIn: 7, tokensOut: 3 } });
        },
      ),
    );
  });

  test('surrogate pairs that the provider splits over events are joined again', () => {
    fc.assert(
      fc.property(anyText, anyCuts, (given, cuts) => {
        const text = given.toWellFormed();
        const units = Array.from({ length: text.length }, (_, i) => delta(text[i] ?? ''));
        const body = [...units, finish, '[DONE]'].map((event) => `data: ${event}\n\n`).join('');
        const read = readAll(cut(Buffer.from(body), cuts));
        expect(read.text).toBe(text);
        expect(read.pieces.every((piece) => piece.isWellFormed())).toBe(true);
      }),
    );
  });

  test('the first half of a pair is no text where the stream broke off behind it', () => {
    const reader = new CompletionReader();
    expect(reader.push(Buffer.from(`data: ${delta('so far \ud83e')}\n\n`))).toBe('so far ');
    expect(() => reader.end()).toThrow();
    expect(reader.takeText()).toBe('');
  });

  test('arbitrary bytes give text or a known error, never another failure', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), anyCuts, (bytes, cuts) => {
        try {
          readAll(cut(Buffer.concat([Buffer.from('data: '), bytes, Buffer.from('\n\n')]), cuts));
        } catch (error) {
          expect(error).toSatisfy((e) => e instanceof BrokenStreamError || e instanceof ProviderStreamError);
        }
      }),
    );
  });
});

describe('events', () => {
  const read = (...events: string[]) => readAll([Buffer.from(events.map((event) => `data: ${event}\n\n`).join(''))]);
  const choice = (part: object) => JSON.stringify({ choices: [{ index: 0, ...part }] });

  test.each([
    ['parts instead of a text', choice({ delta: { content: [{ type: 'text', text: 'a' }, { type: 'image' }] } }), 'a'],
    ['reasoning', choice({ delta: { reasoning_content: 'hm', content: null } }), ''],
    ['tool calls', choice({ delta: { tool_calls: [{ index: 0, function: { arguments: '{}' } }] } }), ''],
    ['a second choice', JSON.stringify({ choices: [{ index: 1, delta: { content: 'other' } }] }), ''],
    ['no choices', JSON.stringify({ choices: [] }), ''],
    ['a role only', choice({ delta: { role: 'assistant', content: '' } }), ''],
  ])('%s', (_, event, expected) => {
    expect(read(event, finish, '[DONE]').text).toBe(expected);
  });

  test('a refusal is what the person reads, and ends as filtered', () => {
    const { text, reader } = read(choice({ delta: { refusal: 'I cannot help with that.' } }), finish, '[DONE]');
    expect([text, reader.finish]).toEqual(['I cannot help with that.', 'content_filter']);
  });

  test('data over several lines is one event', () => {
    const lines = JSON.stringify(JSON.parse(delta('multi')), undefined, 1)
      .split('\n')
      .map((line) => `data: ${line}\n`)
      .join('');
    expect(readAll([Buffer.from(`${lines}\ndata: ${finish}\n\n`)]).text).toBe('multi');
  });

  test('nothing counts behind [DONE], and a missing last blank line does no harm', () => {
    expect(read(delta('a'), '[DONE]', delta('b')).text).toBe('a');
    const { reader } = readAll([Buffer.from(`data: ${delta('a')}\n\ndata: ${finish}`)]);
    expect(reader.finish).toBe('stop');
  });

  test.each([
    [{ prompt_tokens: 1e15, completion_tokens: 3 }],
    [{ prompt_tokens: 7, completion_tokens: 2 ** 31 }],
    [{ prompt_tokens: -7, completion_tokens: 3 }],
    [{ prompt_tokens: 7.5, completion_tokens: 3 }],
    [{ prompt_tokens: '7', completion_tokens: 3 }],
    [{ prompt_tokens: 0, completion_tokens: 3 }],
    [{ prompt_tokens: 7, completion_tokens: 0 }],
    [{ prompt_tokens: 7 }],
  ])('a count that cannot be of this answer is none: %j', (given) => {
    expect(read(delta('Hello'), JSON.stringify({ choices: [], usage: given }), '[DONE]').reader.usage).toBeUndefined();
  });

  test('an answer without text may have cost its prompt alone', () => {
    const spent = JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 0 } });
    expect(read(finish, spent, '[DONE]').reader.usage).toEqual({ tokensIn: 7, tokensOut: 0 });
  });

  test('usage in every chunk: the last counts', () => {
    const running = JSON.stringify({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 1 } });
    expect(read(running, usage, '[DONE]').reader.usage).toEqual({ tokensIn: 7, tokensOut: 3 });
  });

  test('an end without an end is broken, and what came is kept', () => {
    const reader = new CompletionReader();
    expect(reader.push(Buffer.from(`data: ${delta('kept')}\n\n`))).toBe('kept');
    expect(() => reader.end()).toThrow(BrokenStreamError);
  });

  test.each([
    '{"choices":5}',
    '[]',
    '"text"',
    'null',
    '{"choices":[7]}',
    '{"choices":[{"delta":{"content":3}}]}',
    '{broken',
  ])('%s is broken', (event) => {
    expect(() => read(event)).toThrow(BrokenStreamError);
  });

  test('an error object carries status and code', () => {
    expect(() => read('{"error":{"message":"x","code":429,"type":"rate_limit_error"}}')).toThrow(ProviderStreamError);
    const parsed = (() => {
      try {
        read('{"error":{"code":429,"type":"rate_limit_error"}}');
      } catch (error) {
        return error;
      }
    })();
    expect(parsed).toMatchObject({ status: 429, code: 'rate_limit_error' });
  });

  test('a line without end is refused before it fills the memory', () => {
    const parser = new SseParser(() => {}, 1000);
    expect(() => {
      for (let i = 0; i < 20; i++) parser.push(Buffer.alloc(100, 'a'));
    }).toThrow(SseOverflowError);
  });
});
