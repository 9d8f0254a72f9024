import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DisputeState } from '../../../db/billing/purchases/purchases.ts';
import { statusOf, unitsToRevoke } from './extent.ts';

const money = fc.integer({ min: 0, max: 2_000_000_000 });
const units = fc.integer({ min: 0, max: 1_000_000_000_000 });
const calm = fc.constantFrom<DisputeState>('none', 'won');
const angry = fc.constantFrom<DisputeState>('open', 'lost');

test('never more than was granted, never less than nothing', () => {
  const any = fc.constantFrom<DisputeState>('none', 'open', 'won', 'lost');
  fc.assert(
    fc.property(units, money, money, any, fc.boolean(), (granted, amountMinor, refundedMinor, dispute, divisible) => {
      const revoked = unitsToRevoke({ units: granted, amountMinor, divisible }, { refundedMinor, dispute });
      expect(Number.isSafeInteger(revoked)).toBe(true);
      expect(revoked).toBeGreaterThanOrEqual(0);
      expect(revoked).toBeLessThanOrEqual(granted);
    }),
  );
});

test('a share of the money takes at most that share of what is divisible, and less than one unit too few', () => {
  const paid = fc.integer({ min: 1, max: 2_000_000_000 });
  fc.assert(
    fc.property(units, paid, fc.nat(), calm, (granted, amountMinor, some, dispute) => {
      const refundedMinor = some % (amountMinor + 1);
      const revoked = unitsToRevoke({ units: granted, amountMinor, divisible: true }, { refundedMinor, dispute });
      const exact = BigInt(granted) * BigInt(refundedMinor);
      expect(BigInt(revoked) * BigInt(amountMinor) <= exact).toBe(true);
      expect((BigInt(revoked) + 1n) * BigInt(amountMinor) > exact).toBe(true);
    }),
  );
});

test('a thing goes with the last of its money, everything goes with an open or a lost dispute', () => {
  fc.assert(
    fc.property(units, fc.integer({ min: 1, max: 1e9 }), fc.nat(), angry, (granted, amountMinor, some, dispute) => {
      const thing = { units: granted, amountMinor, divisible: false };
      const part = some % amountMinor;
      expect(unitsToRevoke(thing, { refundedMinor: part, dispute: 'none' })).toBe(0);
      expect(unitsToRevoke(thing, { refundedMinor: amountMinor, dispute: 'won' })).toBe(granted);
      expect(unitsToRevoke({ ...thing, divisible: true }, { refundedMinor: part, dispute })).toBe(granted);
    }),
  );
});

test.each([
  [0, 'none', 'paid'],
  [1, 'none', 'partially_refunded'],
  [500, 'none', 'refunded'],
  [0, 'open', 'disputed'],
  [100, 'lost', 'charged_back'],
  [100, 'won', 'partially_refunded'],
  [0, 'won', 'paid'],
] as const)('%d of 500 back, dispute %s: %s', (refundedMinor, dispute, status) => {
  expect(statusOf(500, { refundedMinor, dispute })).toBe(status);
});
