/** Token buckets as two plain numbers within the object that they guard: nothing else is kept for an idle connection. */
import type { RateLimit } from './limits.ts';

/** Thousandths, so that both fields stay small integers. */
export type Bucket = { milliTokens: number; refilledAtMs: number };

/**
 * Takes `cost` tokens. What is refused is taken too, down to one burst of debt, so that a flood stands out.
 * @returns 0 when granted, else how long to wait until one token is there, milliseconds
 */
export function takeFromBucket(bucket: Bucket, limit: RateLimit, cost: number, nowMs: number): number {
  const full = limit.burst * 1000;
  // A clock that was set back has taken nothing from anybody.
  const passedMs = Math.max(0, nowMs - bucket.refilledAtMs);
  const refilled = bucket.milliTokens + passedMs * limit.perSecond;
  const before = Math.min(refilled, full);
  bucket.refilledAtMs = nowMs;
  bucket.milliTokens = Math.max(before - cost * 1000, -full);
  // A frame whose cost exceeds what is left passes once, as debt: otherwise a large frame might never pass.
  if (before >= 1000) return 0;
  return Math.ceil((1000 - bucket.milliTokens) / limit.perSecond);
}

/** True when the debt has reached its end: refused frames kept coming. */
export function isFlooded(bucket: Bucket, limit: RateLimit): boolean {
  return bucket.milliTokens <= -limit.burst * 1000;
}
