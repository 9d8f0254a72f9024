import { expect, it } from 'vitest';
import type { PlanRecord } from '../../../billing/plans/admin-shapes.ts';
import { readPlan, toDraft } from './plan-draft.ts';

const plan: PlanRecord = {
  planId: 'pro',
  name: { en: 'Pro', ja: 'プロ' },
  amountMinor: 1999,
  currency: 'usd',
  interval: 'year',
  avatarLimit: 20,
  monthlyTokens: 3_000_000,
  monthlyTokenLimit: null,
  active: true,
  sort: 2,
};

it('reads back what it writes', () => {
  const { active: _active, sort: _sort, ...terms } = plan;
  expect(readPlan(toDraft(plan, 'jpy'), plan)).toEqual({ plan: terms, faults: {} });
  expect(toDraft(plan, 'jpy').price).toBe('19.99');
});

it('names the fields that are wrong', () => {
  const { plan: read, faults } = readPlan(
    { ...toDraft(undefined, 'jpy'), price: '9.5', avatarLimit: 'many' },
    undefined,
  );
  expect(read).toBeUndefined();
  expect(faults).toEqual({
    planId: 'needed',
    nameEn: 'needed',
    nameJa: 'needed',
    price: 'number',
    avatarLimit: 'number',
    monthlyTokens: 'needed',
  });
});
