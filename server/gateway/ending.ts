/**
 * Who ended a socket, and why: the labels under which ends are counted and logged. uWS tells the close event what it did itself
 * only as a text; to the client such a socket ends without a close code (1006), uWS allows none.
 */

/** Why a socket ended: by a close frame of ours or of the client, or without one, by what uWS saw. */
export type Ending = 'server' | 'client' | Cut;
export type Cut =
  /** uWS gave it up while it was being opened; nothing of ours asked for that. */
  | 'opening'
  /** The connection was ended or reset by the other side. */
  | 'line'
  /** No sign of life within `idleTimeoutS`. */
  | 'idle'
  /** Larger than the native library takes, which is above what gets a close code. */
  | 'too_large'
  /** Bytes that are no WebSocket frame, text that is no UTF-8, or a close frame that cannot be read. */
  | 'invalid_frame'
  | 'unknown';

const reasons: Readonly<Record<string, Cut>> = {
  'Received TCP FIN before WebSocket close frame': 'line',
  'WebSocket timed out from inactivity': 'idle',
  'Received too big message': 'too_large',
  'Received invalid UTF-8': 'invalid_frame',
  'Received invalid close payload': 'invalid_frame',
  'Received invalid WebSocket frame': 'invalid_frame',
};

const NO_CLOSE_CODE = 1006;

/** @param endedByUs whether a close frame of ours was sent; `reason`: what uWS handed to its close event */
export function endingOf(endedByUs: boolean, code: number, reason: ArrayBuffer): Ending {
  if (endedByUs) return 'server';
  if (code !== NO_CLOSE_CODE) return 'client';
  // A reset has no text.
  if (reason.byteLength === 0) return 'line';
  return reasons[Buffer.from(reason).toString('latin1')] ?? 'unknown';
}
