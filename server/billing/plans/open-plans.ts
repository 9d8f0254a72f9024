/** Puts plans together. Wiring only. */
import type { AtCap } from '../../../db/billing/plans/user-plans.ts';
import type { Database } from '../../../db/client.ts';
import type { Chore } from '../../housekeeping.ts';
import type { BillingService } from '../service.ts';
import type { Money } from '../stripe/open-money.ts';
import type { PlanLog, Tell } from './needs.ts';
import { PlanPeriods } from './periods.ts';
import { planProduct } from './plan-product.ts';
import { QuotaWarnings } from './quota-warnings.ts';
import { PlanService } from './service.ts';
import { Subscriptions } from './subscriptions.ts';

type Parts = { db: Database; billing: BillingService; money: Money; atCap: AtCap; tell: Tell; log: PlanLog };
export type Plans = ReturnType<typeof openPlans>;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

export function openPlans({ db, billing, money, atCap, tell, log }: Parts) {
  const { ledger } = billing;
  const periods = new PlanPeriods({ ledger, allowances: billing, atCap });
  const { stripe } = money;
  const provider = stripe && { name: stripe.provider, gateway: stripe.subscriptions };
  const subscriptions = new Subscriptions({
    db,
    periods,
    ledger,
    provider,
    log,
    onChange: (userId) => void service.announce(userId),
  });
  const service: PlanService = new PlanService({ db, periods, subscriptions, tell, log });
  const warnings = new QuotaWarnings({ db, tell, log });
  money.products.add(planProduct({ periods, ledger }));
  money.onSubscription((userId, facts, seenAt) => subscriptions.applyProviderState(userId, facts, seenAt));
  ledger.onBooked((spent) => warnings.onBooked(spent));
  const chores: Chore[] = [
    { name: 'periods of plans', everyMs: 15 * SECOND_MS, work: async () => void (await service.settleDue()) },
    { name: 'people without a plan', everyMs: 60 * MINUTE_MS, work: async () => void (await service.settleMissing()) },
    { name: 'paid plans', everyMs: 5 * MINUTE_MS, work: () => subscriptions.lookAfter() },
    { name: 'warnings to be told', everyMs: 30 * SECOND_MS, work: () => warnings.tellUntold() },
    { name: 'warnings to be noted', everyMs: 5 * MINUTE_MS, work: () => warnings.noteMissed() },
  ];
  let starting: Promise<unknown> = Promise.resolve();
  return {
    service,
    periods,
    subscriptions,
    warnings,
    chores: () => chores,
    /** Gives a plan to people who came before there were plans; in the background. */
    start(): void {
      starting = service
        .settleMissing()
        .catch((error: unknown) =>
          log.warn({ error }, 'people without a plan could not be looked for; it is tried again'),
        );
    },
    async close(): Promise<void> {
      service.stop();
      await starting;
      await warnings.idle();
    },
  };
}
