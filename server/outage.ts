/** Tells failures of the surroundings from failures of what was asked: the first pass, the second come again. */

/** Connection, rolled back for others' sake, read-only (a standby), resources, locks, operator, system. */
const PASSING_STATES = /^(08|40|25|53|55|57|58)[0-9A-Z]{3}$/;
const PASSING_CODES: ReadonlySet<string> = new Set([
  'CONNECTION_LOST',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'busy',
]);
/** Redis is away, as its client says it: these errors carry no code. */
const PASSING_NAMES: ReadonlySet<string> = new Set(['MaxRetriesPerRequestError']);
const PASSING_WORDS = /^(Connection is closed\.|Command timed out|LOADING )/;

/** True when the database is away or overloaded, or the workers are busy: the same may well succeed in a moment. */
export function isOutage(error: unknown): boolean {
  if (error instanceof Error && (PASSING_NAMES.has(error.name) || PASSING_WORDS.test(error.message))) return true;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && (PASSING_CODES.has(code) || PASSING_STATES.test(code));
}
