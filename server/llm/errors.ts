/**
 * Failures of the provider as documented codes. Owns the mapping; the message names status and code only, because a
 * provider's own words may quote the prompt or the key.
 */
import { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import { type ErrorCode, errorCodes } from '../../protocol/error-code.ts';
import { BrokenStreamError, ProviderStreamError } from './completion-reader.ts';
import { retryAfterMs } from './dispatch-fetch.ts';
import type { StreamEnd } from './model.ts';
import { SseOverflowError } from './sse.ts';

export type ModelFailure = NonNullable<StreamEnd['error']>;

/** Why we ended a request ourselves. */
export class ModelTimeoutError extends Error {
  constructor(what: string, limitMs: number) {
    super(`${what} took longer than ${limitMs} ms.`);
    this.name = 'ModelTimeoutError';
  }
}

export function toFailure(error: unknown): ModelFailure {
  if (error instanceof ModelTimeoutError) return failure('llm.timeout', error.message);
  if (error instanceof BrokenStreamError || error instanceof SseOverflowError)
    return failure('llm.broken_stream', error.message);
  if (error instanceof ProviderStreamError) return ofStatus(error.status, error.code, undefined, 'llm.broken_stream');
  if (error instanceof APIConnectionTimeoutError) {
    return hasCause(error, 'UND_ERR_CONNECT_TIMEOUT')
      ? failure('llm.unavailable', 'No connection in time.')
      : failure('llm.timeout');
  }
  if (error instanceof APIConnectionError) return failure('llm.unavailable');
  if (error instanceof APIError) {
    const headers: unknown = error.headers;
    const found = ofStatus(
      error.status,
      nameIn(error),
      headers instanceof Headers ? headers : undefined,
      'llm.unavailable',
    );
    return found.code === 'llm.rejected' && isAboutContext(error.message)
      ? { ...found, code: 'chat.prompt_too_long' }
      : found;
  }
  // A socket error after the headers, from the transport itself.
  return failure('llm.broken_stream');
}

export function isAbort(error: unknown): boolean {
  return error instanceof APIUserAbortError || (error instanceof Error && error.name === 'AbortError');
}

function ofStatus(
  status: number | undefined,
  code: string | undefined,
  headers: Headers | undefined,
  otherwise: ErrorCode,
): ModelFailure {
  const says = `The provider answered ${status ?? 'with an error'}${code === undefined ? '' : ` (${safeName(code)})`}.`;
  const waitMs = headers === undefined ? 0 : retryAfterMs(headers);
  return failure(codeOf(status, code ?? '') ?? otherwise, says, waitMs);
}

function codeOf(status: number | undefined, code: string): ErrorCode | undefined {
  if (/content_(filter|policy)|safety|moderation/.test(code)) return 'llm.content_filtered';
  if (status === 413 || /context_length|exceed_context_size/.test(code)) return 'chat.prompt_too_long';
  if (status === 429 || /rate_limit|insufficient_quota|too_many_requests/.test(code)) return 'llm.rate_limited';
  // An address that has moved is set wrong: the request with its key is not sent on to another server.
  if (status !== undefined && status >= 300 && status < 400) return 'llm.misconfigured';
  if (status === 401 || status === 403 || status === 404 || /invalid_api_key|model_not_found/.test(code))
    return 'llm.misconfigured';
  if (status === 408 || status === 504) return 'llm.timeout';
  if (status !== undefined && status >= 400 && status < 500 && status !== 409) return 'llm.rejected';
  if (status !== undefined || /server_error|overloaded/.test(code)) return 'llm.unavailable';
  return undefined;
}

function failure(code: ErrorCode, message: string = errorCodes[code].says, waitMs = 0): ModelFailure {
  return waitMs > 0 ? { code, message, retryAfterMs: waitMs } : { code, message };
}

/** Codes of some servers are numbers, which say no more than the status. */
function nameIn(error: { code?: unknown; type?: unknown }): string | undefined {
  return [error.code, error.type].find((name): name is string => typeof name === 'string' && name !== '');
}

/** Servers without a code for it say it in words. They are looked at and never passed on. */
function isAboutContext(message: string): boolean {
  return /context (length|size|window)|prompt is too long|too many (input )?tokens/i.test(message);
}

/** Codes are names; whatever else a provider puts there stays out of messages and logs. */
function safeName(code: string): string {
  return /^[\w.-]{1,64}$/.test(code) ? code : 'unnamed';
}

function hasCause(error: unknown, code: string): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    if ('code' in at && at.code === code) return true;
  }
  return false;
}
