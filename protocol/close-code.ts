/**
 * Close codes of the socket. The range decides what a client does:
 * 4000–4099 reconnect now, 4100–4199 reconnect later (with back-off), 4200–4299 do not reconnect.
 */
export type Reconnect = 'now' | 'later' | 'never';

export const closeCodes = {
  resume: { code: 4000, says: 'The client fell too far behind; reconnect and attach again.' },
  going_away: { code: 4001, says: 'This server is draining; reconnect, another one answers.' },
  closed_by_operator: { code: 4002, says: 'An operator closed this socket.' },
  overloaded: { code: 4100, says: 'The server is overloaded; reconnect with back-off.' },
  rate_limited: { code: 4101, says: 'Too many frames for too long; reconnect with back-off.' },
  internal: { code: 4102, says: 'An unexpected failure on this connection.' },
  signed_out: { code: 4200, says: 'The session has ended; sign in again.' },
  malformed: { code: 4201, says: 'Too many malformed frames.' },
  too_large: { code: 4202, says: 'A frame was larger than allowed.' },
  unsupported: { code: 4203, says: 'Wrong kind of frame for the subprotocol (text for binary or the reverse).' },
} as const;

export type CloseReason = keyof typeof closeCodes;

/** What a client does after `code`. Codes below 4000 are the transport's: all but 1008 and 1009 are worth a retry. */
export function reconnectAfter(code: number): Reconnect {
  if (code >= 4000 && code < 4100) return 'now';
  if (code >= 4200 && code < 4300) return 'never';
  if (code === 1008 || code === 1009) return 'never';
  return 'later';
}
