/** Is it from Stripe, and was it sent just now? Signature by the SDK; the time is checked in both directions. */
import Stripe from 'stripe';
import { AppError } from '../../errors.ts';

/** Older ones may be replays; ones from the future would be good for a replay later. */
const TOLERANCE_S = 300;
const MAX_HEADER = 4_096;

/**
 * @param secrets of the endpoint; more than one while they are changed.
 * @returns the event as sent, not yet checked for its shape.
 * @throws AppError `billing.invalid_signature`
 */
export function verifyEvent(
  rawBody: Uint8Array,
  header: string | undefined,
  secrets: readonly string[],
  nowMs: number,
): unknown {
  if (header === undefined || header.length > MAX_HEADER || !isCurrent(header, nowMs))
    throw new AppError('billing.invalid_signature');
  for (const secret of secrets) {
    try {
      // The SDK's own tolerance looks back only; 0 leaves the time to `isCurrent`.
      Stripe.webhooks.signature?.verifyHeader(Buffer.from(rawBody), header, secret, 0);
      return JSON.parse(Buffer.from(rawBody).toString('utf8')) as unknown;
    } catch {
      // The next secret may fit.
    }
  }
  throw new AppError('billing.invalid_signature');
}

/** Exactly one time: with two of them it would be unclear which one is signed. */
function isCurrent(header: string, nowMs: number): boolean {
  const times = header.split(',').filter((part) => part.trim().startsWith('t='));
  const seconds = times.length === 1 ? /^t=(\d{1,12})$/.exec(times[0]?.trim() ?? '')?.[1] : undefined;
  return seconds !== undefined && Math.abs(nowMs / 1000 - Number(seconds)) <= TOLERANCE_S;
}
