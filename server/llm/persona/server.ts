/**
 * The embedded model server: OpenAI's protocol over HTTP on loopback. Owns its routes and error shape; what it says is made in
 * `compose.ts`. Serves `/v1/models`, `/v1/chat/completions` and `/v1/embeddings`, refuses everything else.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadTokenizer, type Tokenizer } from './answer.ts';
import { CompletionService } from './completions.ts';
import { embedText, PERSONA_DIMENSIONS } from './embed.ts';
import { HttpError, sendJson } from './http-error.ts';
import { PERSONA_MODEL, type PersonaOptions } from './options.ts';

const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Listens when it resolves. */
export async function servePersona(options: PersonaOptions = {}): Promise<{ server: Server; port: number }> {
  const tokenizer = options.plain === true ? undefined : await loadTokenizer();
  const completions = new CompletionService(options, tokenizer);
  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (request, response) => {
    void answer(request, response, options, completions, tokenizer).catch((error: unknown) =>
      sendError(response, error),
    );
  });
  server.listen(options.port ?? 0, options.host ?? '127.0.0.1', 4096);
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  return { server, port: (server.address() as AddressInfo).port };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: PersonaOptions,
  completions: CompletionService,
  tokenizer: Tokenizer | undefined,
): Promise<void> {
  if (options.apiKey !== undefined && request.headers.authorization !== `Bearer ${options.apiKey}`) {
    throw new HttpError(401, 'invalid_api_key', 'Incorrect API key provided.');
  }
  const path = (request.url ?? '').split('?', 1)[0];
  const route = `${request.method} ${path}`;
  if (route === 'GET /v1/models') {
    sendJson(response, {
      object: 'list',
      data: [{ id: PERSONA_MODEL, object: 'model', created: 0, owned_by: 'tsumugi' }],
    });
  } else if (route === 'POST /v1/chat/completions') {
    await completions.answer(await readJson(request), request, response);
  } else if (route === 'POST /v1/embeddings') {
    sendJson(response, embeddings(await readJson(request), tokenizer));
  } else {
    throw new HttpError(404, 'unknown_url', `Unknown request URL: ${request.method} ${path}.`);
  }
}

function embeddings(body: Record<string, unknown>, tokenizer: Tokenizer | undefined): object {
  const { input, encoding_format: format } = body;
  const texts = typeof input === 'string' ? [input] : input;
  if (!Array.isArray(texts) || !texts.every((text): text is string => typeof text === 'string') || texts.length === 0) {
    throw new HttpError(400, 'invalid_value', 'input: expected a text or a list of texts.', 'input');
  }
  const data = texts.map((text, index) => {
    const vector = embedText(text);
    const bytes = Buffer.from(vector.buffer, 0, PERSONA_DIMENSIONS * 4);
    return { object: 'embedding', index, embedding: format === 'base64' ? bytes.toString('base64') : [...vector] };
  });
  const tokens = texts.reduce((sum, text) => sum + (tokenizer?.encode(text).length ?? Math.ceil(text.length / 4)), 0);
  return { object: 'list', data, model: PERSONA_MODEL, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new HttpError(413, 'request_too_large', 'The request is too large.');
    chunks.push(chunk);
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // Answered below, like any other body that is no object.
  }
  throw new HttpError(400, 'invalid_json', 'We could not parse the JSON body of your request.');
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const known = error instanceof HttpError ? error : new HttpError(500, 'server_error', 'The server had an error.');
  const type =
    known.status === 429 ? 'rate_limit_error' : known.status >= 500 ? 'server_error' : 'invalid_request_error';
  sendJson(
    response,
    { error: { message: known.message, type, param: known.param, code: known.code } },
    known.status,
    known.headers,
  );
}
