/** What operators do with plans: see them all, add and change them. Each call is entered in the operators' journal. */
import { insertPlan, listPlans, type PlanChange, type PlanRow, updatePlan } from '../../../db/billing/plans/plans.ts';
import type { Database } from '../../../db/client.ts';
import { type AdminCall, adminReply } from '../../admin-call.ts';
import { AppError } from '../../errors.ts';
import { ChangeBody, CreateBody, PlanList, PlanRecord } from './admin-shapes.ts';
import { FREE } from './rank.ts';

/** All of them stand in one reply; each is about 500 bytes. */
export const MAX_PLANS = 100;

export function planAdminCalls(db: Database): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/plans',
      action: 'plans.list',
      says: 'All plans, those that are not offered any more included.',
      reply: PlanList,
      run: async (_request, _id, admin) =>
        adminReply({ plans: (await db.asAdmin(admin.userId, listPlans)).map(toRecord) } satisfies PlanList),
    },
    {
      method: 'POST',
      path: '/admin/plans',
      action: 'plans.create',
      says: `Adds a plan that costs something. There may be ${MAX_PLANS} plans, those that are not offered any more included.`,
      body: CreateBody,
      reply: PlanRecord,
      statuses: [201],
      errors: ['protocol.invalid_body', 'billing.plan_exists', 'billing.too_many_plans'],
      note: ({ body }) => ({ plan: (body as CreateBody).planId }),
      async run({ body }) {
        const { planId: code, active = true, sort = 0, ...given } = body as CreateBody;
        if (given.amountMinor === 0)
          throw AppError.invalid('amountMinor', 'above 0: only the plan `free` costs nothing');
        checkCurrency(given);
        const row = { code, active, sort, ...toChange(given) } as PlanRow;
        const outcome = await db.asService((tx) => insertPlan(tx, row, MAX_PLANS));
        if (outcome === 'exists') throw new AppError('billing.plan_exists');
        if (outcome === 'too_many') throw new AppError('billing.too_many_plans', { field: 'planId', limit: MAX_PLANS });
        return adminReply(toRecord(row), 201);
      },
    },
    {
      method: 'PUT',
      path: '/admin/plans/:id',
      action: 'plans.change',
      says: 'Changes a plan; what is left out stays. Counts for periods that begin afterwards, a price for new subscriptions.',
      target: 'plan',
      body: ChangeBody,
      reply: PlanRecord,
      errors: ['protocol.invalid_body', 'billing.plan_not_found'],
      note: ({ body }) => noteOf(body as ChangeBody),
      async run({ body }, id) {
        const given = body as ChangeBody;
        checkChange(id, given);
        const changed = await db.asService((tx) => updatePlan(tx, id, toChange(given)));
        if (changed === undefined) throw new AppError('billing.plan_not_found');
        return adminReply(toRecord(changed));
      },
    },
  ];
}

/** The plan that everybody is on who pays for nothing stays what it is; the others cost something. */
function checkChange(id: string, given: ChangeBody): void {
  const { amountMinor, active, interval } = given;
  checkCurrency(given);
  if (id !== FREE) {
    if (amountMinor === 0) throw AppError.invalid('amountMinor', 'above 0: only the plan `free` costs nothing');
    return;
  }
  if (amountMinor !== undefined && amountMinor !== 0) throw AppError.invalid('amountMinor', '0 for the plan `free`');
  if (active === false) throw AppError.invalid('active', 'true for the plan `free`');
  if (interval === 'year') throw AppError.invalid('interval', '`month` for the plan `free`');
}

/** Three letters that no provider takes would be found out by the first buyer. */
function checkCurrency({ currency }: Pick<ChangeBody, 'currency'>): void {
  if (currency !== undefined && !Intl.supportedValuesOf('currency').includes(currency.toUpperCase()))
    throw AppError.invalid('currency', 'a currency of ISO 4217, lower case');
}

/** Figures only. */
function noteOf({ name: _name, ...figures }: ChangeBody): Record<string, string | number | boolean | null> {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}

function toChange({ name, amountMinor, ...rest }: ChangeBody): PlanChange {
  return {
    ...rest,
    ...(name === undefined ? {} : { nameEn: name.en, nameJa: name.ja }),
    ...(amountMinor === undefined ? {} : { priceMinor: amountMinor }),
  };
}

function toRecord({ code, nameEn: en, nameJa: ja, priceMinor: amountMinor, ...row }: PlanRow): PlanRecord {
  return { planId: code, name: { en, ja }, amountMinor, ...row };
}
