/**
 * How money is divided. Whole minor units only; the creator's part is rounded down and the platform keeps the rest, so that both
 * together are always the gross. What a creator keeps of a sale depends on what is left of it after all its refunds, never on
 * their order or number: full refunds bring both parts to exactly zero.
 */

export const FULL_BPS = 10_000;

export type Split = { creatorMinor: number; platformMinor: number };

/** @param grossMinor ≥ 0. @param shareBps the creator's part in hundredths of a percent. */
export function splitGross(grossMinor: number, shareBps: number): Split {
  // In BigInt: the product may be beyond what a number holds exactly.
  const creatorMinor = Number((BigInt(grossMinor) * BigInt(shareBps)) / BigInt(FULL_BPS));
  return { creatorMinor, platformMinor: grossMinor - creatorMinor };
}

/**
 * What changes hands when what is left of a sale changes: negative parts for a refund, positive ones when it is undone.
 * @param beforeMinor left of the gross until now. @param afterMinor left from now on.
 */
export function splitChange(beforeMinor: number, afterMinor: number, shareBps: number): Split {
  const before = splitGross(beforeMinor, shareBps);
  const after = splitGross(afterMinor, shareBps);
  return {
    creatorMinor: after.creatorMinor - before.creatorMinor,
    platformMinor: after.platformMinor - before.platformMinor,
  };
}
