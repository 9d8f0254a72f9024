/** Creators, sales and runs over a database of its own, with a clock that the test moves. For tests. */
import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { ManualClock } from '../../clock.ts';
import { Creators } from '../../identity/creators.ts';
import { CreatorEarnings } from './earnings.ts';
import type { PayoutPolicy } from './policy.ts';
import { PayoutRuns } from './run.ts';

export const policy: PayoutPolicy = {
  shareBps: 7000,
  holdingDays: 10,
  minimumMinor: { JPY: 1000 },
  feeMinor: { JPY: 50 },
  timeZone: 'Asia/Tokyo',
  runDay: 5,
  needsApproval: true,
  tokenRateMicro: 0,
  tokenCurrency: 'JPY',
};

export type PayoutHarness = Awaited<ReturnType<typeof createPayoutHarness>>;

export async function createPayoutHarness(given: { policy?: Partial<PayoutPolicy>; database?: TestDatabase } = {}) {
  const database = given.database ?? (await createTestDatabase());
  const db = database.database;
  const clock = new ManualClock(Date.parse('2026-01-01T00:00:00Z'));
  const rules = { ...policy, ...given.policy };
  const creators = new Creators();
  const parts = { db, clock, creators, policy: rules };
  const earnings = new CreatorEarnings(parts);
  return {
    database,
    db,
    clock,
    creators,
    policy: rules,
    earnings,
    runs: new PayoutRuns(parts),
    moveTo: (iso: string) => clock.advance(Date.parse(iso) - clock.now()),
    /** A user who may become a creator. */
    async newUser(displayName = '', locale: 'en' | 'ja' = 'ja'): Promise<string> {
      const userId = randomUUID();
      await db.asService(async (tx) => {
        await tx.sql`insert into identity.users (id, locale) values (${userId}, ${locale})`;
        await tx.sql`insert into identity.profiles (user_id, display_name) values (${userId}, ${displayName})`;
      });
      return userId;
    },
    async newCreator(displayName = '', locale: 'en' | 'ja' = 'ja'): Promise<{ userId: string; creatorId: string }> {
      const userId = await this.newUser(displayName, locale);
      const { creatorId } = await db.asService((tx) => creators.ensure(tx, userId));
      return { userId, creatorId };
    },
    /** @returns the purchase. */
    async sell(creatorUserId: string, grossMinor: number, soldAt: string, currency = 'JPY'): Promise<string> {
      const purchaseId = randomUUID();
      const sale = { creatorUserId, purchaseId, grossMinor, currency, soldAtMs: Date.parse(soldAt) };
      await db.asService((tx) => earnings.recordSale(tx, sale));
      return purchaseId;
    },
    refund: (purchaseId: string, grossMinor: number, refundedAt: string, refundId: string = randomUUID()) =>
      db.asService((tx) =>
        earnings.recordRefund(tx, { purchaseId, refundId, grossMinor, refundedAtMs: Date.parse(refundedAt) }),
      ),
  };
}
