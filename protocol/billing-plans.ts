/** Frames of plans: what is offered, the own one, what happens at the cap, warnings. Amounts are in the smallest unit of their currency. */
import Type, { type Static } from 'typebox';
import { defineDown, defineUp } from './define.ts';
import { Empty, Nullable, Timestamp, Uuid } from './primitives.ts';

const PlanId = Type.String({
  pattern: '^[a-z0-9_]{1,40}$',
  description: '`free`, `pro`, `business`, and what operators add.',
});
const Name = Type.Object({ en: Type.String(), ja: Type.String() });
const MonthlyTokenLimit = Nullable(
  Type.Integer({
    description: 'Granted tokens that may be spent in a month; null without a cap. Bought tokens do not count.',
  }),
);
const AtCap = Type.Union([Type.Literal('stop'), Type.Literal('use_bought')], {
  description: 'At the cap: refuse further answers, or go on with bought tokens.',
});

export const Plan = Type.Object({
  planId: PlanId,
  name: Name,
  avatarLimit: Type.Integer(),
  monthlyTokenLimit: MonthlyTokenLimit,
  monthlyTokens: Type.Integer({ description: 'Tokens that each month begins with.' }),
  amountMinor: Type.Integer(),
  currency: Type.String(),
  interval: Type.Union([Type.Literal('month'), Type.Literal('year')]),
  current: Type.Boolean({ description: 'True for the one the caller is on.' }),
});
export type Plan = Static<typeof Plan>;

/** The terms are those that the period began with: what operators change counts from the next one on. */
export const Subscription = Type.Object({
  planId: PlanId,
  name: Name,
  status: Type.Union(
    [
      Type.Literal('free'),
      Type.Literal('incomplete'),
      Type.Literal('trialing'),
      Type.Literal('active'),
      Type.Literal('past_due'),
      Type.Literal('unpaid'),
      Type.Literal('paused'),
    ],
    { description: 'Of the paid plan; `free` without one.' },
  ),
  periodStart: Timestamp,
  periodEnd: Timestamp,
  paidUntil: Nullable(
    Type.String({ format: 'date-time', description: 'End of the paid period; a year may have many months.' }),
  ),
  avatarLimit: Type.Integer(),
  monthlyTokenLimit: MonthlyTokenLimit,
  monthlyTokens: Type.Integer(),
  usedTokens: Type.Integer({ description: 'Granted tokens spent in this period.' }),
  heldTokens: Type.Integer({ description: 'Set aside for answers that are being written.' }),
  atCap: AtCap,
  atCapIsDefault: Type.Boolean({ description: 'True while the caller has not chosen.' }),
  warned: Type.Array(Type.Integer(), { description: 'Percentages that were warned of in this period.' }),
  scheduled: Nullable(
    Type.Object(
      { planId: PlanId, name: Name, at: Timestamp },
      { description: 'The plan that follows, where it is another one.' },
    ),
  ),
  organization: Nullable(
    Type.Object({
      organizationId: Uuid,
      name: Type.String(),
      monthlyTokenLimit: MonthlyTokenLimit,
      usedTokens: Type.Integer(),
      heldTokens: Type.Integer(),
      periodEnd: Timestamp,
    }),
  ),
});
export type Subscription = Static<typeof Subscription>;

export const plans = defineUp('billing.plans', {
  says: 'The plans that are offered, and the own one. A paid plan is begun with `billing.checkout`, type `plan`.',
  body: Empty,
  reply: Type.Object({ plans: Type.Array(Plan) }),
  errors: [],
});

export const subscription = defineUp('billing.subscription', {
  says: 'The plan of the account, its period, what is used of the cap, and what changes with the next period.',
  body: Empty,
  reply: Subscription,
  errors: [],
});

export const setAtCap = defineUp('billing.set_at_cap', {
  says: 'What happens when the monthly cap is reached; null: as the server does.',
  body: Type.Object({ atCap: Nullable(AtCap) }),
  reply: Subscription,
  errors: [],
});

export const changePlan = defineUp('billing.change_plan', {
  says: 'Changes a paid plan: a greater one begins at once and its difference is charged, a smaller one, or `free`, with the next period.',
  body: Type.Object({ planId: PlanId }),
  reply: Subscription,
  errors: [
    'billing.plan_not_found',
    'billing.checkout_required',
    'billing.purchases_off',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

export const cancelPlan = defineUp('billing.cancel_plan', {
  says: 'The paid plan ends with the period that is paid.',
  body: Empty,
  reply: Subscription,
  errors: [
    'billing.no_subscription',
    'billing.purchases_off',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

export const resumePlan = defineUp('billing.resume_plan', {
  says: 'Takes `billing.cancel_plan` back, as long as the period lasts.',
  body: Empty,
  reply: Subscription,
  errors: [
    'billing.no_subscription',
    'billing.purchases_off',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

export const subscriptionPush = defineDown('billing.subscription', {
  says: 'The plan of the account, or what follows it, has changed.',
  body: Subscription,
});

export const quotaWarning = defineDown('billing.quota_warning', {
  says: '80 or 100 percent of a monthly cap are used: the own one, or that of the organisation one spends under. Once a period each.',
  body: Type.Object({
    scope: Type.Union([Type.Literal('user'), Type.Literal('organization')]),
    organizationId: Nullable(Uuid),
    percent: Type.Union([Type.Literal(80), Type.Literal(100)]),
    usedTokens: Type.Integer(),
    monthlyTokenLimit: Type.Integer(),
    periodEnd: Timestamp,
  }),
});
