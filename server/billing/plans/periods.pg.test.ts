/** Months and grants against a real PostgreSQL: property tests over time zones, races, months that nobody was there for. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { monthOf, type UserPlanRow } from '../../../db/billing/plans/user-plans.ts';
import { createPlanHarness, type PlanHarness } from './testing.ts';

let plans: PlanHarness;
beforeAll(async () => {
  plans = await createPlanHarness();
});
afterAll(() => plans.close());

const FREE_TOKENS = 100_000;
const settle = async (
  userId: string,
  at: string,
  gateway: Pick<PlanHarness, 'periods'> = plans,
): Promise<UserPlanRow> => {
  const { plan } = await plans.db.asService((tx) => gateway.periods.settle(tx, userId, new Date(at)));
  if (plan === undefined) throw new Error('no plan');
  return plan;
};
const bounds = ({ periodStart, periodEnd }: UserPlanRow) => [periodStart.toISOString(), periodEnd.toISOString()];

describe('the month of a person without a paid plan (000-R3, 000-R4)', () => {
  test('begins with the sign-up, grants nothing then, and grants once with each further month', async () => {
    const userId = await plans.newUser('2026-01-31T10:00:00.000Z');
    expect(bounds(await settle(userId, '2026-02-01T00:00:00.000Z'))).toEqual([
      '2026-01-31T10:00:00.000Z',
      '2026-02-28T10:00:00.000Z',
    ]);
    expect(await plans.tokens(userId)).toBe(0);
    // The 28th follows the 31st, and the 31st comes back.
    expect(bounds(await settle(userId, '2026-02-28T10:00:00.000Z'))).toEqual([
      '2026-02-28T10:00:00.000Z',
      '2026-03-31T10:00:00.000Z',
    ]);
    expect(await plans.tokens(userId)).toBe(FREE_TOKENS);
    for (let again = 0; again < 3; again++) await settle(userId, '2026-03-31T09:59:59.999Z');
    expect(await plans.tokens(userId)).toBe(FREE_TOKENS);
    expect(bounds(await settle(userId, '2026-04-01T00:00:00.000Z'))).toEqual([
      '2026-03-31T10:00:00.000Z',
      '2026-04-30T10:00:00.000Z',
    ]);
    expect(await plans.tokens(userId)).toBe(2 * FREE_TOKENS);
  });

  test('is no shorter for who signs up in the hour that comes twice when the clocks are set back', async () => {
    for (const [signUp, zone, end] of [
      ['2026-10-25T00:30:00.000Z', 'Europe/Berlin', '2026-11-25T01:30:00.000Z'],
      ['2026-11-01T05:30:00.000Z', 'America/New_York', '2026-12-01T06:30:00.000Z'],
      ['2026-04-04T14:45:00.000Z', 'Australia/Lord_Howe', '2026-05-04T15:15:00.000Z'],
    ] as const) {
      const userId = await plans.newUser(signUp, zone);
      for (const hours of [0, 1, 30 * 24]) {
        const at = new Date(Date.parse(signUp) + hours * 3_600_000).toISOString();
        expect(bounds(await settle(userId, at)), `${zone} ${at}`).toEqual([signUp, end]);
      }
      expect(await plans.tokens(userId)).toBe(0);
    }
  });

  test('months that the server was down for are granted one by one', async () => {
    const userId = await plans.newUser('2025-01-15T00:00:00.000Z');
    await settle(userId, '2025-01-20T00:00:00.000Z');
    expect(bounds(await settle(userId, '2025-12-20T00:00:00.000Z'))).toEqual([
      '2025-12-15T00:00:00.000Z',
      '2026-01-15T00:00:00.000Z',
    ]);
    expect(await plans.tokens(userId)).toBe(11 * FREE_TOKENS);
  });

  test('two gateways that end the same period at the same moment grant once', async () => {
    const other = await plans.anotherGateway();
    const userIds = await Promise.all(Array.from({ length: 8 }, () => plans.newUser('2026-01-10T00:00:00.000Z')));
    await Promise.all(
      userIds.flatMap((userId) =>
        [plans, other, plans, other].map((gateway) => settle(userId, '2026-02-11T00:00:00.000Z', gateway)),
      ),
    );
    for (const userId of userIds) expect(await plans.tokens(userId)).toBe(FREE_TOKENS);
  });

  test('the chore finds whose period is over, and nobody else', async () => {
    const userId = await plans.newUser('2026-05-10T00:00:00.000Z');
    await settle(userId, '2026-05-11T00:00:00.000Z');
    await plans.db.asService(async (tx) => {
      await tx.sql`update billing.user_plans set due_at = 'infinity' where user_id <> ${userId}`;
    });
    expect(await plans.service.settleDue(new Date('2026-06-09T23:59:59.999Z'))).toBe(0);
    expect(await plans.service.settleDue(new Date('2026-06-10T00:00:00.000Z'))).toBe(1);
    expect(await plans.service.settleDue(new Date('2026-06-10T00:00:00.000Z'))).toBe(0);
    expect(await plans.tokens(userId)).toBe(FREE_TOKENS);
  });

  test('a change of a plan counts with the next period, never for the one that runs', async () => {
    const userId = await plans.newUser('2026-01-01T00:00:00.000Z');
    const before = await settle(userId, '2026-01-02T00:00:00.000Z');
    await plans.db.asService(
      (tx) => tx.sql`update billing.plans set avatar_limit = 3, monthly_token_limit = 5000 where code = 'free'`,
    );
    try {
      expect(await settle(userId, '2026-01-31T23:59:59.999Z')).toMatchObject({
        avatarLimit: before.avatarLimit,
        capTokens: before.capTokens,
      });
      expect(await settle(userId, '2026-02-01T00:00:00.000Z')).toMatchObject({ avatarLimit: 3, capTokens: 5000 });
      const [row] = await plans.db.asService(
        (tx) =>
          tx.sql`select s.cap_tokens, s.time_zone from billing.spending s join billing.accounts a on a.id = s.account_id where a.owner_id = ${userId}`,
      );
      expect(row).toMatchObject({ cap_tokens: '5000', time_zone: 'UTC' });
    } finally {
      await plans.db.asService(
        (tx) =>
          tx.sql`update billing.plans set avatar_limit = ${before.avatarLimit}, monthly_token_limit = ${before.capTokens} where code = 'free'`,
      );
    }
  });

  test('a zone that the database does not know is UTC; who is deleted has no plan any more', async () => {
    const userId = await plans.newUser('2026-01-01T00:00:00.000Z', 'Mars/Olympus');
    expect(await settle(userId, '2026-01-02T00:00:00.000Z')).toMatchObject({ timeZone: 'UTC' });
    await plans.db.asService(
      (tx) => tx.sql`update identity.users set status = 'deleted', deleted_at = now() where id = ${userId}`,
    );
    const settled = await plans.db.asService((tx) =>
      plans.periods.settle(tx, userId, new Date('2026-03-02T00:00:00.000Z')),
    );
    expect(settled).toMatchObject({ plan: undefined, grants: [] });
    expect(await plans.tokens(userId)).toBe(0);
  });
});

const zones = [
  'Asia/Tokyo',
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kathmandu',
  'America/Santiago',
];
const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2029, 0, 1) }).map((ms) => new Date(ms));

describe('properties', () => {
  test('months hold their instant, follow one another without gap, and keep day and time of the anchor in local time', async () => {
    await fc.assert(
      fc.asyncProperty(
        instant,
        fc.integer({ min: 0, max: 1500 }),
        fc.constantFrom(...zones),
        async (anchor, days, zone) => {
          const at = new Date(anchor.getTime() + days * 86_400_000);
          const { month, next, local } = await plans.db.asService(async (tx) => {
            const month = await monthOf(tx, anchor, zone, at);
            const next = await monthOf(tx, anchor, zone, month.end);
            const [local] = await tx.sql<{ asked: number; got: number; last: number }[]>`
            select extract(day from ${anchor.toISOString()}::timestamptz at time zone ${zone})::int as asked,
              extract(day from ${month.start.toISOString()}::timestamptz at time zone ${zone})::int as got,
              extract(day from date_trunc('month', ${month.start.toISOString()}::timestamptz at time zone ${zone}) + interval '1 month - 1 day')::int as last`;
            return { month, next, local };
          });
          expect(month.start <= at && at < month.end).toBe(true);
          expect(next.start).toEqual(month.end);
          const lengthDays = (month.end.getTime() - month.start.getTime()) / 86_400_000;
          expect(lengthDays).toBeGreaterThan(27.9);
          expect(lengthDays).toBeLessThan(32.1);
          // A clock change can push an instant that does not exist that night over midnight.
          expect([0, 1]).toContain(Math.abs((local?.got ?? 0) - Math.min(local?.asked ?? 0, local?.last ?? 0)));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('whoever moves between zones as he likes has months without gap and overlap, of 26 to 33 days, and one grant each', async () => {
    await fc.assert(
      fc.asyncProperty(
        instant,
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.constantFrom(...zones)), { minLength: 1, maxLength: 8 }),
        async (signedUpAt, moves) => {
          const userId = await plans.newUser(signedUpAt.toISOString(), moves[0]?.[1]);
          let at = signedUpAt;
          await settle(userId, at.toISOString());
          for (const [days, zone] of moves) {
            await plans.db.asService(
              (tx) => tx.sql`update identity.profiles set time_zone = ${zone} where user_id = ${userId}`,
            );
            at = new Date(at.getTime() + days * 86_400_000);
            const plan = await settle(userId, at.toISOString());
            expect(plan.periodStart <= at && at < plan.periodEnd).toBe(true);
          }
          const grants = await plans.db.asService(
            (tx) => tx.sql<{ start: Date; end: Date; tokens: string }[]>`
              select period_start as start, period_end as end, tokens from billing.plan_grants where user_id = ${userId} order by 1`,
          );
          for (const [index, grant] of grants.entries()) {
            const days = (grant.end.getTime() - grant.start.getTime()) / 86_400_000;
            expect(days).toBeGreaterThan(26);
            expect(days).toBeLessThan(33);
            if (index > 0) expect(grant.start).toEqual(grants[index - 1]?.end);
          }
          expect(await plans.tokens(userId)).toBe(grants.length * FREE_TOKENS);
        },
      ),
      { numRuns: 25 },
    );
  });
});

test('people see their own plan, and change nothing of it', async () => {
  const userId = await plans.newUser('2026-01-01T00:00:00.000Z');
  await settle(userId, '2026-01-02T00:00:00.000Z');
  const other = randomUUID();
  const count = (as: string) =>
    plans.db.asUser(
      as,
      async (tx) => (await tx.sql`select 1 from billing.user_plans where user_id = ${userId}`).length,
    );
  expect([await count(userId), await count(other)]).toEqual([1, 0]);
  const changed = await plans.db.asUser(
    userId,
    (tx) => tx.sql`update billing.user_plans set avatar_limit = 9999 where user_id = ${userId} returning 1`,
  );
  expect(changed.length).toBe(0);
});
