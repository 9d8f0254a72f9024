/**
 * Chat completions over the OpenAI protocol. Owns the connections to the provider; the SDK builds requests, signs them and
 * retries, the answer is read without web streams (see `dispatch-fetch.ts`). Knows nothing of conversations.
 */
import OpenAI from 'openai';
import { Agent } from 'undici';
import { ChatStream, type StreamTimeouts } from './chat-stream.ts';
import { contextLimitOf } from './context-limits.ts';
import { Dialect } from './dialect.ts';
import { createDispatchFetch, type DispatchFetch } from './dispatch-fetch.ts';
import { OpenAiEmbedder } from './embeddings.ts';
import type { ChatModel, ChatRequest, StreamHandle, StreamListener } from './model.ts';
import { Watchdog } from './watchdog.ts';

export type ModelOptions = {
  /** Undefined: the vendor's own servers. */
  baseUrl?: string | undefined;
  /** Servers without keys take anything. */
  apiKey?: string | undefined;
  defaultModel: string;
  /** Tokens of prompt and answer together; 0 or nothing: what the model's name says. */
  contextTokens?: number;
  connectTimeoutMs?: number;
  firstTokenTimeoutMs?: number;
  /** Longest silence within an answer. */
  idleTimeoutMs?: number;
  /** One answer, retries included. */
  totalTimeoutMs?: number;
  /** Further attempts before the first token. */
  maxRetries?: number;
  /** A provider that asks for a longer wait than this is not waited for. */
  maxRetryWaitMs?: number;
  /** Running answers at a time; more wait for a connection. */
  maxConnections?: number;
};

export class OpenAiChatModel implements ChatModel {
  readonly defaultModel: string;
  readonly #contextTokens: number;
  readonly #agent: Agent;
  readonly #transport: DispatchFetch;
  readonly #sdk: OpenAI;
  readonly #dialect: Dialect;
  readonly #timeouts: StreamTimeouts;
  readonly #maxRetries: number;
  readonly #watchdog: Watchdog;

  constructor(options: ModelOptions) {
    this.defaultModel = options.defaultModel;
    this.#contextTokens = options.contextTokens ?? 0;
    this.#timeouts = {
      firstTokenMs: options.firstTokenTimeoutMs ?? 60_000,
      idleMs: options.idleTimeoutMs ?? 30_000,
      totalMs: options.totalTimeoutMs ?? 600_000,
    };
    this.#maxRetries = options.maxRetries ?? 2;
    this.#agent = new Agent({
      connections: options.maxConnections ?? 1024,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: 30_000,
      // The watchdog and the SDK hold the time limits; two clocks would only race.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: options.connectTimeoutMs ?? 10_000, keepAlive: true, noDelay: true },
    });
    this.#transport = createDispatchFetch(this.#agent, { maxRetryWaitMs: options.maxRetryWaitMs ?? 5_000 });
    this.#sdk = new OpenAI({
      apiKey: options.apiKey ?? 'none',
      adminAPIKey: null,
      baseURL: options.baseUrl ?? 'https://api.openai.com/v1',
      // Given, because the SDK would otherwise read them from the environment behind the configuration's back.
      organization: null,
      project: null,
      webhookSecret: null,
      fetch: this.#transport.fetch,
      logLevel: 'off',
    });
    this.#dialect = new Dialect(
      options.baseUrl === undefined || new URL(options.baseUrl).hostname.endsWith('openai.com'),
    );
    const shortestMs = Math.min(this.#timeouts.firstTokenMs, this.#timeouts.idleMs, this.#timeouts.totalMs);
    this.#watchdog = new Watchdog(Math.min(250, Math.max(5, Math.floor(shortestMs / 4))));
  }

  contextLimit(model: string): number {
    return this.#contextTokens > 0 ? this.#contextTokens : contextLimitOf(model);
  }

  stream(request: ChatRequest, listener: StreamListener): StreamHandle {
    const stream = new ChatStream(
      {
        sdk: this.#sdk,
        bodyOf: this.#transport.bodyOf,
        dialect: this.#dialect,
        watchdog: this.#watchdog,
        timeouts: this.#timeouts,
        maxRetries: this.#maxRetries,
      },
      request,
      listener,
    );
    stream.start();
    return stream;
  }

  /** Asks one text of the embedding model to learn its dimensions. @throws the SDK's error when it cannot be reached. */
  embedder(model: string): Promise<OpenAiEmbedder> {
    return OpenAiEmbedder.create(this.#sdk, model);
  }

  /** Resolves when the provider answers at all; a refusal of the list of models counts as an answer. */
  async ping(timeoutMs = 2_000): Promise<void> {
    await this.#sdk.models.list({ timeout: timeoutMs, maxRetries: 0 }).catch((error: unknown) => {
      if (!(error instanceof OpenAI.APIError) || error.status === undefined || error.status >= 500) throw error;
    });
  }

  /** Breaks off whatever runs. */
  async close(): Promise<void> {
    await this.#agent.destroy();
    this.#watchdog.close();
  }
}
