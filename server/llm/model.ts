/** What the chat engine needs of a model; `client.ts` provides it over the OpenAI protocol. */
import type { ErrorCode } from '../../protocol/error-code.ts';

export type ChatTurn = { role: 'system' | 'user' | 'assistant'; content: string };

export type ChatRequest = {
  model: string;
  messages: ChatTurn[];
  maxOutputTokens: number;
  temperature?: number;
  topP?: number;
  seed?: number;
  stop?: string[];
  /** Pseudonym of the user for the provider's abuse control. Never a mail address or our own id. */
  user?: string;
};

export type StreamEnd = {
  finishReason: 'stop' | 'length' | 'content_filter' | 'aborted' | 'error';
  /** As the provider counted; undefined when it did not say. */
  usage: { tokensIn: number; tokensOut: number } | undefined;
  /** Set when `finishReason` is `error`. What came before it has been delivered. */
  error: { code: ErrorCode; message: string; retryAfterMs?: number } | undefined;
};

/** Called synchronously as bytes arrive; must only note what came. */
export type StreamListener = {
  /** One or more tokens' text, in order. Never empty. */
  onText(text: string): void;
  /** Exactly once, last. */
  onEnd(end: StreamEnd): void;
};

export type StreamHandle = {
  /** Cancels the request at the provider. `onEnd` follows with `aborted` unless it has already been called. Idempotent. */
  abort(): void;
};

export interface ChatModel {
  readonly defaultModel: string;
  /** Tokens of prompt and answer together. */
  contextLimit(model: string): number;
  /** Starts streaming. Never throws: failures arrive at `onEnd`. Retries happen only before the first token. */
  stream(request: ChatRequest, listener: StreamListener): StreamHandle;
}
