import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpenAiChatModel } from './client.ts';
import type { ChatRequest, StreamEnd, StreamHandle } from './model.ts';
import { servePersona } from './persona/server.ts';

let persona: Awaited<ReturnType<typeof servePersona>>;
let model: OpenAiChatModel;
const models: OpenAiChatModel[] = [];

function modelAt(
  port: number,
  options: Partial<ConstructorParameters<typeof OpenAiChatModel>[0]> = {},
): OpenAiChatModel {
  const made = new OpenAiChatModel({
    baseUrl: `http://127.0.0.1:${port}/v1`,
    apiKey: 'key',
    defaultModel: 'tsumugi-persona',
    ...options,
  });
  models.push(made);
  return made;
}

beforeAll(async () => {
  persona = await servePersona({ faults: true, tokensPerSecond: 2000, apiKey: 'key' });
  model = modelAt(persona.port);
});
afterAll(async () => {
  await Promise.all(models.map((one) => one.close()));
  persona.server.closeAllConnections();
  persona.server.close();
});

type Told = { text: string; pieces: string[]; end: StreamEnd; ends: number };
type Watch = { onText?(text: string, handle: StreamHandle): void };

let turns = 0;
const requestOf = (over: Partial<ChatRequest> = {}): ChatRequest => ({
  model: 'tsumugi-persona',
  messages: [
    { role: 'system', content: 'You are Wren, a warm companion.' },
    { role: 'user', content: `I walked along the harbour ${++turns} times` },
  ],
  maxOutputTokens: 300,
  ...over,
});

function ask(over: Partial<ChatRequest> = {}, by = model, watch: Watch = {}): Promise<Told> {
  return new Promise((resolve) => {
    const told: Told = {
      text: '',
      pieces: [],
      end: { finishReason: 'stop', usage: undefined, error: undefined },
      ends: 0,
    };
    const handle = by.stream(requestOf(over), {
      onText(text) {
        told.pieces.push(text);
        told.text += text;
        watch.onText?.(text, handle);
      },
      onEnd(end) {
        told.end = end;
        told.ends++;
        // A second call would come at once or never.
        setImmediate(() => resolve(told));
      },
    });
  });
}
const withFault = (fault: string) => ({ model: `tsumugi-persona!${fault}` });

describe('an answer', () => {
  test('arrives whole, with usage as the provider counted', async () => {
    const { text, end, ends } = await ask();
    expect(text).toMatch(/harbour|practice model/);
    expect(end).toMatchObject({ finishReason: 'stop', error: undefined });
    expect(end.usage?.tokensOut).toBeGreaterThan(20);
    expect(end.usage?.tokensIn).toBeGreaterThan(10);
    expect(ends).toBe(1);
  });

  test('stops at max tokens and at a stop sequence', async () => {
    expect((await ask({ maxOutputTokens: 5 })).end).toMatchObject({ finishReason: 'length', usage: { tokensOut: 5 } });
    const { text, end } = await ask({ stop: ['.'] });
    expect([text.includes('.'), end.finishReason]).toEqual([false, 'stop']);
  });

  test('is cut where a provider writes on and on behind the limit that it was given', async () => {
    const { end, pieces } = await ask({ ...withFault('huge:100000'), maxOutputTokens: 20 });
    expect(end).toEqual({ finishReason: 'length', usage: undefined, error: undefined });
    // Twice as many, what is always allowed, and what one chunk of the network brought.
    expect(pieces.length).toBeLessThan(500);
  });

  test('keeps characters whole when the provider splits surrogate pairs', async () => {
    const { text, pieces } = await ask(withFault('split-surrogates'));
    expect(text).toBe('糸🧵と針🪡、家族👨‍👩‍👧。');
    expect(pieces.every((piece) => piece.isWellFormed())).toBe(true);
  });

  test('many at a time', async () => {
    const all = await Promise.all(Array.from({ length: 60 }, () => ask({ maxOutputTokens: 40 })));
    expect(all.map(({ end }) => end.finishReason).filter((reason) => reason !== 'length' && reason !== 'stop')).toEqual(
      [],
    );
  });
});

describe('failures of the provider', () => {
  test.each([
    ['drop:5', 'llm.broken_stream'],
    ['malformed:3', 'llm.broken_stream'],
    ['no-end:4', 'llm.broken_stream'],
    ['stream-error:3', 'llm.unavailable'],
  ])('%s keeps what came and ends with %s', async (fault, code) => {
    const { text, end, ends } = await ask(withFault(fault));
    expect(text.length).toBeGreaterThan(0);
    expect(end).toMatchObject({ finishReason: 'error', error: { code } });
    expect(ends).toBe(1);
  });

  test.each([
    ['error:401', 'llm.misconfigured'],
    ['error:404', 'llm.misconfigured'],
    ['error:400', 'llm.rejected'],
    ['error:400/content_filter', 'llm.content_filtered'],
    ['error:400/context_length_exceeded', 'chat.prompt_too_long'],
  ])('%s is %s', async (fault, code) => {
    const { text, end } = await ask(withFault(fault));
    expect([text, end.error?.code]).toEqual(['', code]);
  });

  test('429 once is retried; a long Retry-After is told instead of waited for', async () => {
    expect((await ask(withFault('rate-limit-once:0'))).end.finishReason).toBe('stop');
    expect((await ask(withFault('rate-limit:30'))).end.error).toMatchObject({
      code: 'llm.rate_limited',
      retryAfterMs: 30_000,
    });
  });

  test('500 once and a connection reset before the first token are retried', async () => {
    expect((await ask(withFault('error-once:500'))).end.finishReason).toBe('stop');
    expect((await ask(withFault('reset-before-first'))).end.finishReason).toBe('stop');
  });

  test('nothing is retried once a token was given', async () => {
    const seen: string[] = [];
    await ask(withFault('drop:1'), model, { onText: (text) => seen.push(text) });
    expect(seen.length).toBe(1);
  });

  test('a filtered answer is an ending of its own', async () => {
    expect((await ask(withFault('content-filter:4'))).end.finishReason).toBe('content_filter');
  });

  test('messages and errors never carry the provider’s words', async () => {
    expect((await ask(withFault('error:401'))).end.error?.message).not.toContain('The server had');
  });

  test('nobody listens there', async () => {
    const lonely = modelAt(9, { maxRetries: 0 });
    expect((await ask({}, lonely)).end.error?.code).toBe('llm.unavailable');
  });
});

describe('time limits', () => {
  test('the first token, whether headers came or not', async () => {
    const hasty = modelAt(persona.port, { firstTokenTimeoutMs: 60, maxRetries: 0 });
    expect((await ask(withFault('delay:400'), hasty)).end.error?.code).toBe('llm.timeout');
    expect(
      (
        await ask(
          withFault('stall:0'),
          modelAt(persona.port, { firstTokenTimeoutMs: 60, idleTimeoutMs: 60, maxRetries: 0 }),
        )
      ).end.error?.code,
    ).toBe('llm.timeout');
  });

  test('silence between tokens, with what came kept', async () => {
    const { text, end } = await ask(withFault('stall:4'), modelAt(persona.port, { idleTimeoutMs: 60 }));
    expect(text.length).toBeGreaterThan(0);
    expect(end.error).toMatchObject({ code: 'llm.timeout' });
  });

  test('the whole answer', async () => {
    const { end } = await ask(withFault('huge:100000'), modelAt(persona.port, { totalTimeoutMs: 120 }));
    expect(end.error?.message).toContain('whole answer');
  });
});

describe('cancelling', () => {
  test('ends with aborted, once, and closes the request at the provider', async () => {
    const closed = new Promise<void>((resolve) =>
      persona.server.once('request', (_, response) => response.once('close', resolve)),
    );
    const { end, ends } = await ask(withFault('huge:100000'), model, {
      onText: (_, handle) => {
        handle.abort();
        handle.abort();
      },
    });
    await closed;
    expect([end.finishReason, ends]).toEqual(['aborted', 1]);
  });

  test('works before the first byte', async () => {
    const end = await new Promise<StreamEnd>((resolve) => {
      const handle = model.stream(requestOf(withFault('delay:5000')), { onText: () => {}, onEnd: resolve });
      handle.abort();
    });
    expect(end.finishReason).toBe('aborted');
  });
});

describe('other dialects', () => {
  test.each(['stream_options', 'temperature', 'max_tokens', 'seed'])(
    'a server that refuses %s is asked without it',
    async (param) => {
      const fresh = modelAt(persona.port);
      expect(
        (await ask({ ...withFault(`refuse-param:${param}`), temperature: 0.5, seed: 3 }, fresh)).end.finishReason,
      ).toBe('stop');
    },
  );

  test('no usage, CRLF, and one JSON document instead of a stream', async () => {
    expect((await ask(withFault('no-usage'))).end.usage).toBeUndefined();
    expect((await ask(withFault('crlf'))).end.finishReason).toBe('stop');
    const server = await serve(
      'application/json',
      JSON.stringify({
        choices: [{ index: 0, message: { content: 'whole' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1 },
      }),
    );
    expect(await ask({}, modelAt(server.port))).toMatchObject({
      text: 'whole',
      end: { finishReason: 'stop', usage: { tokensIn: 1, tokensOut: 1 } },
    });
    server.close();
  });

  test.each([
    [{ prompt_tokens: 12, completion_tokens: 6 }, true],
    [{ prompt_tokens: 12, completion_tokens: 21 }, false],
    [{ prompt_tokens: 2_000_000, completion_tokens: 6 }, false],
    [{ prompt_tokens: 12, completion_tokens: 1e15 }, false],
  ])('a count of %j is taken where it can be of the answer', async (usage, isTaken) => {
    const answer = { choices: [{ index: 0, message: { content: 'whole' }, finish_reason: 'stop' }], usage };
    const server = await serve('application/json', JSON.stringify(answer));
    const { end } = await ask({ maxOutputTokens: 20 }, modelAt(server.port));
    const counted = { tokensIn: usage.prompt_tokens, tokensOut: usage.completion_tokens };
    expect(end.usage).toEqual(isTaken ? counted : undefined);
    server.close();
  });

  test('events that call themselves plain text', async () => {
    const events = [
      { choices: [{ index: 0, delta: { content: 'plain' } }] },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    ];
    const server = await serve(
      'text/plain; charset=utf-8',
      events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''),
    );
    expect(await ask({}, modelAt(server.port))).toMatchObject({ text: 'plain', end: { finishReason: 'stop' } });
    server.close();
  });

  test('a web page instead of an API is a broken stream', async () => {
    const server = await serve('text/html', '<html>Welcome</html>');
    expect((await ask({}, modelAt(server.port))).end.error?.code).toBe('llm.broken_stream');
    server.close();
  });
});

test('embeddings are unit vectors in the order of the texts', async () => {
  const embedder = await model.embedder('tsumugi-persona');
  const texts = Array.from({ length: 130 }, (_, i) => `text ${i}`);
  const vectors = await embedder.embed(texts);
  const [again] = await embedder.embed(['text 129']);
  expect([vectors.length, embedder.dimensions]).toEqual([130, 256]);
  expect(vectors.at(-1)).toEqual(again);
  expect(Math.hypot(...(vectors[0] ?? []))).toBeCloseTo(1, 5);
});

test('the context window is the setting, else what the name says', () => {
  expect(modelAt(1, { contextTokens: 5000 }).contextLimit('gpt-4o')).toBe(5000);
  expect([model.contextLimit('gpt-4o-mini'), model.contextLimit('llama3')]).toEqual([128_000, 8_192]);
});

function serve(type: string, body: string): Promise<{ port: number; close(): void }> {
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          server.closeAllConnections();
          server.close();
        },
      }),
    );
  });
}
