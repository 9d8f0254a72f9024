/**
 * The persona behind a gate: an answer stops after its first words until the test lets it go on. So what a test does while an answer is
 * being written never comes too late, however slow the machine is.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type RunningPersona, startPersona } from '../llm/persona/start.ts';

export class HeldModel implements AsyncDisposable {
  /** Settings of a server that uses it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #persona: RunningPersona;
  readonly #server: Server;
  /** Pieces that answers may have in all; each answer counts its own. */
  #allowed = Number.POSITIVE_INFINITY;
  #moved = Promise.withResolvers<void>();

  private constructor(persona: RunningPersona, server: Server) {
    this.#persona = persona;
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    const baseUrl = `http://127.0.0.1:${port}/v1`;
    this.env = {
      OPENAI_BASE_URL: baseUrl,
      OPENAI_API_KEY: persona.apiKey,
      OPENAI_MODEL: 'tsumugi-persona',
      // What is held says nothing for as long as the test takes.
      LLM_IDLE_TIMEOUT_MS: '600000',
      LLM_FIRST_TOKEN_TIMEOUT_MS: '600000',
    };
  }

  static async start(): Promise<HeldModel> {
    const persona = await startPersona({ tokensPerSecond: 400, seed: 1 });
    const server = createServer((request, response) => void model.#pass(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const model = new HeldModel(persona, server);
    return model;
  }

  /** Answers stop after so many pieces until more are let through. */
  hold(pieces = 8): void {
    this.#allow(pieces);
  }

  /** So many more pieces of each answer. */
  say(pieces: number): void {
    this.#allow(this.#allowed + pieces);
  }

  /** All there is, also of the answers to come. */
  release(): void {
    this.#allow(Number.POSITIVE_INFINITY);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#persona.stop();
  }

  #allow(pieces: number): void {
    this.#allowed = pieces;
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      const { 'content-type': type = 'application/json', authorization = '' } = request.headers;
      const body = request.method === 'POST' ? await buffer(request) : null;
      const answer = await fetch(this.#persona.baseUrl.replace(/\/v1$/, '') + (request.url ?? '/'), {
        method: request.method ?? 'GET',
        headers: { 'content-type': type, authorization },
        body: body === null ? null : new Uint8Array(body),
        signal: gone.signal,
      });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
      await this.#letThrough(answer, response, gone.signal);
      response.end();
    } catch {
      response.destroy();
    }
  }

  /** Event by event; the role comes first and is no piece. */
  async #letThrough({ body }: Response, response: ServerResponse, gone: AbortSignal): Promise<void> {
    const left = new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve()));
    let rest = '';
    let pieces = -1;
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const events = (rest + chunk).split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) {
        while (pieces >= this.#allowed && !gone.aborted) await Promise.race([this.#moved.promise, left]);
        if (gone.aborted) return;
        response.write(`${event}\n\n`);
        pieces += 1;
      }
    }
    response.write(rest);
  }
}
