import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitChange, splitGross } from './share.ts';

const gross = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const bps = fc.integer({ min: 0, max: 10_000 });

test.each([
  [1000, 7000, 700, 300],
  [999, 7000, 699, 300],
  [1, 9999, 0, 1],
  [1, 10_000, 1, 0],
  [5, 0, 0, 5],
  [Number.MAX_SAFE_INTEGER, 9999, 9006298534815516, 900719925475],
])('%i at %i basis points: %i and %i', (grossMinor, shareBps, creatorMinor, platformMinor) => {
  expect(splitGross(grossMinor, shareBps)).toEqual({ creatorMinor, platformMinor });
});

test('both parts are always the gross, and the platform never loses by rounding', () => {
  fc.assert(
    fc.property(gross, bps, (grossMinor, shareBps) => {
      const { creatorMinor, platformMinor } = splitGross(grossMinor, shareBps);
      expect(BigInt(creatorMinor) + BigInt(platformMinor)).toBe(BigInt(grossMinor));
      expect(BigInt(creatorMinor) * 10_000n).toBeLessThanOrEqual(BigInt(grossMinor) * BigInt(shareBps));
      expect(BigInt(creatorMinor + 1) * 10_000n).toBeGreaterThan(BigInt(grossMinor) * BigInt(shareBps));
    }),
  );
});

test('any refunds in any order leave the share of what is left, and nothing of a sale that is refunded in full', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 1_000_000 }), { maxLength: 12 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), bps, cuts, (grossMinor, shareBps, refunds) => {
      let left = grossMinor;
      let { creatorMinor: creator, platformMinor: platform } = splitGross(grossMinor, shareBps);
      for (const refund of [...refunds, grossMinor]) {
        const after = Math.max(0, left - refund);
        const change = splitChange(left, after, shareBps);
        expect(Math.sign(change.creatorMinor)).not.toBe(1);
        expect(change.creatorMinor).toBeGreaterThanOrEqual(after - left);
        left = after;
        creator += change.creatorMinor;
        platform += change.platformMinor;
        expect({ creator, platform }).toEqual({
          creator: splitGross(left, shareBps).creatorMinor,
          platform: splitGross(left, shareBps).platformMinor,
        });
      }
      expect([left, creator, platform]).toEqual([0, 0, 0]);
    }),
  );
});
