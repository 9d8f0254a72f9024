/** How long to wait before the next connection. Pure: chance and counts come in, milliseconds come out. */
import type { Reconnect } from '../close-code.ts';

export type Backoff = Readonly<{ minMs: number; maxMs: number }>;
export const defaultBackoff: Backoff = { minMs: 500, maxMs: 30_000 };

/** Spread of the reconnects that a server asks for: everybody who was on it comes back within this time. */
const nowJitterMs = 250;

/**
 * Full jitter: anything between 0 and `minMs · 2^failures`, at most `maxMs`. Waiting exactly `2^n` would bring all
 * clients of a server that fell over back in the same instant.
 * @param failures connections in a row that did not last; a first `now` is answered at once, later ones back off too, so
 * that a server which closes every socket is not hammered.
 */
export function reconnectDelayMs(
  after: Exclude<Reconnect, 'never'>,
  failures: number,
  random: number,
  backoff: Backoff,
): number {
  if (after === 'now' && failures === 0) return Math.floor(random * nowJitterMs);
  return Math.floor(random * Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(failures, 30)));
}
