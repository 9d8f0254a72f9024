/** What a failure looks like from outside, for sockets and HTTP alike. It hides everything that was not meant to be said. */
import { randomUUID } from 'node:crypto';
import { type ErrorCode, type ErrorPolicy, errorCodes } from '../../protocol/error-code.ts';
import { AppError } from '../errors.ts';
import { isOutage } from '../outage.ts';
import type { GatewayLog } from './log.ts';

/** A database that is started again is back within some seconds; clients come back at random times after this. */
const OUTAGE_RETRY_MS = 1_000;

export type PublicError = {
  code: ErrorCode;
  message: string;
  retryAfterMs?: number;
  details?: Record<string, unknown>;
};

/** The policy of a code, widened so that every member can be read. */
export function policyOf(code: ErrorCode): ErrorPolicy {
  return errorCodes[code];
}

/**
 * Turns anything thrown into what the other side may know, and logs it as loudly as its code says.
 * @param context facts for the log: the command or route, the connection. No bodies.
 */
export function toPublicError(
  error: unknown,
  log: GatewayLog,
  context: Readonly<Record<string, unknown>>,
): PublicError {
  if (error instanceof AppError) {
    log[policyOf(error.code).log]({ ...context, code: error.code }, 'refused');
    return describeAppError(error);
  }
  if (isBusy(error)) {
    log.warn({ ...context, code: 'busy' }, 'refused');
    return { code: 'busy', message: errorCodes.busy.says };
  }
  if (isOutage(error)) {
    // The database went away under the command. Whether it was carried out is for an idempotent repetition to find out.
    log.warn({ ...context, code: 'busy', err: error }, 'refused: the surroundings failed');
    return { code: 'busy', message: errorCodes.busy.says, retryAfterMs: OUTAGE_RETRY_MS };
  }
  const correlationId = randomUUID();
  log.error({ ...context, correlationId, err: error }, 'unexpected failure');
  return { code: 'internal', message: errorCodes.internal.says, details: { correlationId } };
}

/** What the other side may know of an error of ours: all of it. */
export function describeAppError(error: AppError): PublicError {
  const { retryAfterMs, ...details } = error.details;
  return {
    code: error.code,
    message: error.message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}

/** The worker pool's queue was full, or gave up the task. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'AbortError' || ('code' in error && error.code === 'busy');
}
