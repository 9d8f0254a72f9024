/** All plans stand in one reply, so there is an end to them, however many operators add some at once. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { MAX_PLANS, planAdminCalls } from './admin.ts';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.close());

async function create(planId: string): Promise<unknown> {
  const call = planAdminCalls(test.database).find(({ action }) => action === 'plans.create');
  if (call === undefined) throw new Error('there is no such call');
  const body = {
    planId,
    name: { en: 'n'.repeat(80), ja: '名'.repeat(80) },
    avatarLimit: 10,
    monthlyTokenLimit: 1_000,
    monthlyTokens: 1_000,
    amountMinor: 500,
    currency: 'jpy',
    interval: 'month',
  };
  return call.run({ body, query: {} } as never, '', { userId: uuidv7() } as never);
}
const count = async () =>
  (await test.database.asService((tx) => tx.sql`select count(*)::integer as n from billing.plans`))[0]?.['n'];

it('takes no more plans than there may be, and says which field and how many', async () => {
  const there = Number(await count());
  for (let n = there; n < MAX_PLANS - 1; n++) await create(`plan_${n}`);
  const outcomes = await Promise.allSettled(Array.from({ length: 4 }, (_, n) => create(`last_${n}`)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  for (const reason of refused)
    expect(reason).toMatchObject({
      code: 'billing.too_many_plans',
      details: { field: 'planId', limit: MAX_PLANS },
    });
  expect(await count()).toBe(MAX_PLANS);
  await expect(create('free')).rejects.toMatchObject({ code: 'billing.plan_exists' });
});
