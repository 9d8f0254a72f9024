/** Servers that speak the protocol in their own way: what is legal is understood, and what is not becomes a documented code. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpenAiChatModel } from './client.ts';
import type { ChatRequest, StreamEnd } from './model.ts';

type Answer = (response: ServerResponse, request: IncomingMessage, body: Record<string, unknown>) => void;

const event = (data: object | string) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const says = (content: string) => event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const ends = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const whole = `${says('spun')}${ends}${event('[DONE]')}`;
const stream = { 'content-type': 'text/event-stream' };

const failing =
  (status: number, document: object, headers = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(document));

let server: Server;
let answer: Answer = (response) => response.end();
let asked: { headers: IncomingMessage['headers']; body: Record<string, unknown> }[] = [];
let baseUrl = '';
const models: OpenAiChatModel[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = JSON.parse(text) as Record<string, unknown>;
    asked.push({ headers: request.headers, body });
    answer(response, request, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(async () => {
  await Promise.all(models.map((model) => model.close()));
  server.closeAllConnections();
  server.close();
});

function fresh(options: Partial<ConstructorParameters<typeof OpenAiChatModel>[0]> = {}): OpenAiChatModel {
  const model = new OpenAiChatModel({ baseUrl, apiKey: 'key', defaultModel: 'some-model', ...options });
  models.push(model);
  return model;
}

async function ask(
  given: Answer,
  over: Partial<ChatRequest> = {},
  model = fresh(),
): Promise<{ text: string; end: StreamEnd }> {
  answer = given;
  asked = [];
  return new Promise((resolve) => {
    let text = '';
    const messages: ChatRequest['messages'] = [{ role: 'user', content: 'Hello' }];
    const request = { model: 'some-model', messages, maxOutputTokens: 50, ...over };
    model.stream(request, {
      onText(piece) {
        text += piece;
      },
      onEnd: (end) => resolve({ text, end }),
    });
  });
}

describe('compression that nobody asked for', () => {
  const encodings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };

  test.each(Object.entries(encodings))('%s is read', async (encoding, compress) => {
    const { text, end } = await ask((response) =>
      response.writeHead(200, { ...stream, 'content-encoding': encoding }).end(compress(whole)),
    );
    expect([text, end.finishReason]).toEqual(['spun', 'stop']);
    expect(asked[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('what came before the connection broke is kept', async () => {
    const { text, end } = await ask((response) => {
      response.writeHead(200, { ...stream, 'content-encoding': 'gzip' });
      response.write(gzipSync(says('half')), () => response.destroy());
    });
    expect([text, end.error?.code]).toEqual(['half', 'llm.broken_stream']);
  });

  test('an error document is understood, an encoding from elsewhere is not', async () => {
    const refusal = JSON.stringify({ error: { message: 'no', code: 'invalid_api_key' } });
    const packed = await ask((response) =>
      response
        .writeHead(401, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(refusal)),
    );
    expect(packed.end.error?.code).toBe('llm.misconfigured');
    const odd = await ask(
      (response) => response.writeHead(200, { ...stream, 'content-encoding': 'rot13' }).end('qngn'),
      {},
      fresh({ maxRetries: 0 }),
    );
    expect(odd.end.error?.code).toBe('llm.unavailable');
  });

  test('rubbish in place of compressed bytes is a broken stream', async () => {
    const { end } = await ask((response) =>
      response.writeHead(200, { ...stream, 'content-encoding': 'gzip' }).end('not compressed at all'),
    );
    expect(end.error?.code).toBe('llm.broken_stream');
  });
});

test('a complete answer on a connection that stays open, without [DONE], is complete', async () => {
  const { text, end } = await ask((response) => void response.writeHead(200, stream).write(says('spun') + ends));
  expect([text, end.finishReason, end.error]).toEqual(['spun', 'stop', undefined]);
});

describe('a document that calls itself a stream', () => {
  test.each([{ headers: stream }, { headers: {} }])('%j: an error has its code', async ({ headers }) => {
    const { end } = await ask((response) =>
      response.writeHead(200, headers).end(JSON.stringify({ error: { message: 'x', code: 'rate_limit_exceeded' } })),
    );
    expect(end.error?.code).toBe('llm.rate_limited');
  });

  test('an answer is the answer', async () => {
    const document = { choices: [{ index: 0, message: { content: 'whole' }, finish_reason: 'length' }] };
    const { text, end } = await ask((response) => response.writeHead(200, stream).end(JSON.stringify(document)));
    expect([text, end.finishReason]).toEqual(['whole', 'length']);
  });
});

describe('errors of servers that are not the vendor’s', () => {
  const tooLong = 'This model’s maximum context length is 4096 tokens. However, your request has 9000 input tokens.';
  test.each([
    ['flat, with a number for a code', 400, { object: 'error', message: tooLong, code: 400 }, 'chat.prompt_too_long'],
    ['in words alone', 400, { error: { message: tooLong, type: 'BadRequestError' } }, 'chat.prompt_too_long'],
    [
      'by its type',
      400,
      { error: { code: 400, message: 'x', type: 'exceed_context_size_error' } },
      'chat.prompt_too_long',
    ],
    ['too large a body', 413, { detail: 'Payload too large' }, 'chat.prompt_too_long'],
    ['a text for an error', 404, { error: 'model "x" not found' }, 'llm.misconfigured'],
    ['a list of details', 422, { detail: [{ loc: ['body', 'messages'], msg: 'field required' }] }, 'llm.rejected'],
  ])('%s', async (_, status, document, code) => {
    const { end } = await ask(failing(status, document));
    expect(end.error?.code).toBe(code);
    expect(end.error?.message).not.toMatch(/4096|found|required/);
  });

  test('an address that has moved is set wrong, and the key is not sent after it', async () => {
    const { end } = await ask(failing(308, {}, { location: `${baseUrl}/elsewhere` }));
    expect([end.error?.code, asked.length]).toEqual(['llm.misconfigured', 1]);
  });
});

describe('what is learnt from a refusal', () => {
  test('a parameter that is not known is left out, whatever form the refusal has', async () => {
    const { text } = await ask(
      (response, request, body) =>
        body['user'] === undefined
          ? response.writeHead(200, stream).end(whole)
          : failing(422, { detail: [{ type: 'extra_forbidden', loc: ['body', 'user'], msg: 'Extra inputs' }] })(
              response,
              request,
              body,
            ),
      { user: 'pseudonym' },
    );
    expect(text).toBe('spun');
  });

  test('a value out of range teaches nothing: the next person is asked for as before', async () => {
    const model = fresh();
    const range = {
      message: 'max_tokens is too large: 32000. At most 16384.',
      param: 'max_tokens',
      code: 'invalid_value',
    };
    expect((await ask(failing(400, { error: range }), { maxOutputTokens: 32_000 }, model)).end.error?.code).toBe(
      'llm.rejected',
    );
    const warm = { message: 'temperature: range: 0..1', param: 'temperature', code: 'invalid_value' };
    await ask(failing(400, { error: warm }), { temperature: 2 }, model);
    const { text } = await ask((response) => response.writeHead(200, stream).end(whole), { temperature: 0.5 }, model);
    expect(text).toBe('spun');
    expect(asked[0]?.body).toMatchObject({ max_tokens: 50, temperature: 0.5 });
  });
});
