/** The one error that the client throws: a documented code of the server, or one of its own below. */
import { type ErrorCode, errorCodes, type RetryPolicy } from '../error-code.ts';

/** What only a client can find out. None of these travels on the wire. */
export const clientErrorCodes = {
  'client.disconnected': 'The connection broke before the answer came; whether the server did it is not known.',
  'client.timeout': 'No answer came in time.',
  'client.aborted': 'The caller gave up.',
  'client.closed': 'The client is closed.',
  'client.detached': 'The conversation was detached.',
  'client.queue_full': 'Too many requests wait for the connection.',
  'client.unreachable': 'The server could not be reached.',
  'client.bad_frame': 'The server sent something that is not of the protocol.',
} as const;
export type ClientErrorCode = keyof typeof clientErrorCodes;

export type TsumugiErrorFacts = {
  retryAfterMs?: number | undefined;
  details?: Readonly<Record<string, unknown>> | undefined;
};

export class TsumugiError extends Error {
  /** A code of `error-code.ts`, a `client.*` code, or one that a newer server knows. */
  readonly code: string;
  /** Milliseconds to wait before the next try, where the server said so. */
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, facts: TsumugiErrorFacts = {}) {
    super(message);
    this.name = 'TsumugiError';
    this.code = code;
    this.retryAfterMs = facts.retryAfterMs;
    this.details = facts.details ?? {};
  }

  /** One of the client's own errors. */
  static ofClient(code: ClientErrorCode, more?: string): TsumugiError {
    return new TsumugiError(code, more === undefined ? clientErrorCodes[code] : `${clientErrorCodes[code]} ${more}`);
  }

  /** What to do about it; unknown codes count as worth a retry with back-off. */
  get retry(): RetryPolicy {
    if (isServerCode(this.code)) return errorCodes[this.code].retry;
    return this.code in clientErrorCodes && this.code !== 'client.timeout' && this.code !== 'client.unreachable'
      ? 'never'
      : 'backoff';
  }
}

function isServerCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** Anything thrown, as a TsumugiError. */
export function asTsumugiError(error: unknown): TsumugiError {
  if (error instanceof TsumugiError) return error;
  return TsumugiError.ofClient('client.unreachable', error instanceof Error ? error.message : String(error));
}

/** The error of an HTTP answer `{error: {code, message, …}}`; anything else becomes `client.unreachable`. */
export function errorOfHttp(status: number, body: unknown): TsumugiError {
  const error = isRecord(body) ? body['error'] : undefined;
  if (!isRecord(error) || typeof error['code'] !== 'string') {
    return TsumugiError.ofClient('client.unreachable', `HTTP status ${status}.`);
  }
  return new TsumugiError(error['code'], String(error['message'] ?? error['code']), {
    retryAfterMs: typeof error['retryAfterMs'] === 'number' ? error['retryAfterMs'] : undefined,
    details: isRecord(error['details']) ? error['details'] : undefined,
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
