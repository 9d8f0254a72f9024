/** Why Redis cannot be used, for people. Never quotes an answer: it may repeat the password that it was given. */

/** An answer that Redis gave and that settles the matter, where a lost connection may come back. */
export class RedisUnfitError extends Error {
  override readonly name = 'RedisUnfitError';
}

/** @returns what stands behind "Redis at host:port …", without a full stop. */
export function redisFault(error: unknown): string {
  if (error instanceof RedisUnfitError) return error.message;
  if (!(error instanceof Error)) return 'does not answer';
  if (error.name === 'ReplyError') return refusal(error.message);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code === undefined ? 'does not answer' : `does not answer (${code})`;
}

function refusal(answer: string): string {
  const [code = ''] = answer.split(' ', 1);
  if (code === 'NOAUTH') return 'wants a password';
  if (code === 'WRONGPASS' || code === 'NOPERM') return 'refuses the user name or the password';
  if (/^ERR DB index/.test(answer)) return 'has no database of this number';
  return `answers with an error${/^[A-Z]{2,20}$/.test(code) ? ` (${code})` : ''}`;
}
