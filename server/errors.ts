/** The one error that the rules throw on purpose. Anything else that reaches a client becomes `internal`. */
import { type ErrorCode, errorCodes } from '../protocol/error-code.ts';

export type ErrorDetails = Readonly<Record<string, unknown>> & { readonly retryAfterMs?: number };

export class AppError extends Error {
  readonly code: ErrorCode;
  /** Facts for programs: the field, the limit. Never secrets, never texts of people. */
  readonly details: ErrorDetails;

  /** @param message says more than the code's standing text, for people, in English. */
  constructor(code: ErrorCode, details: ErrorDetails = {}, message: string = errorCodes[code].says) {
    super(message);
    this.name = 'AppError';
    this.code = code;
    this.details = details;
  }

  /** Shape of `protocol.invalid_body`: which field, and what was expected there. */
  static invalid(field: string, expected: string): AppError {
    return new AppError('protocol.invalid_body', { field, expected }, `${field}: expected ${expected}.`);
  }
}

/** True for the error with this code. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}
