/**
 * Plans as something that is sold. The first checkout begins a subscription; each period that is paid is a purchase. Tokens are not
 * granted by the purchase but by the period, which the subscription's state brings (`subscriptions.ts`).
 */
import {
  clawGrants,
  findPaidPeriod,
  insertClawback,
  restoreClawbacks,
  sumClawbacks,
} from '../../../db/billing/plans/grants.ts';
import { findPlan, listPlans, type PlanRow } from '../../../db/billing/plans/plans.ts';
import {
  findLive,
  type ProviderName,
  restorePlan,
  restoreSubscription,
  revokeSubscription,
  withholdPlan,
} from '../../../db/billing/plans/subscriptions.ts';
import type { Tx } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import type { PendingRef } from '../ledger/movement.ts';
import type { Change, Offer, ProductType, Purchase } from '../purchases/product.ts';
import type { PlanLedger } from './needs.ts';
import type { PlanPeriods } from './periods.ts';
import { claimSubscription, PLAN } from './subscriptions.ts';

type Parts = { periods: PlanPeriods; ledger: Pick<PlanLedger, 'accountOf' | 'platformAccountFor' | 'enqueue'> };

export function planProduct({ periods, ledger }: Parts): ProductType {
  return {
    type: PLAN,
    mode: 'subscription',
    unit: 'thing',
    maxQuantity: 1,
    checkExists: async (tx, id) => isOffered(await findPlan(tx, id)),
    async priceOf(tx, id, userId) {
      const plan = await findPlan(tx, id);
      if (!isOffered(plan)) return undefined;
      if ((await findLive(tx, userId)) !== undefined) throw new AppError('billing.already_subscribed');
      return toOffer(plan);
    },
    offers: async (tx) => (await listPlans(tx)).filter(isOffered).map(toOffer),
    async grant(tx, { purchaseId, userId }) {
      const paid = await findPaidPeriod(tx, purchaseId);
      if (paid === undefined) return {};
      const { plan } = await periods.settle(tx, userId);
      const claimed = await claimSubscription(tx, userId, paid.provider as ProviderName, paid.providerSubscriptionId);
      // A second one, one whose money was taken back before, that of a person who is gone: it gives nothing, so its money goes back.
      const isOver = plan === undefined || (claimed !== undefined && claimed.revokedAt !== null);
      return { duplicate: isOver || (claimed?.duplicate ?? false) };
    },
    revoke,
    restore,
  };

  /**
   * The tokens of the period go back; if it is the current one, so does the plan, at once. What only made it greater takes what it
   * gave, and the plan that is paid besides goes on.
   */
  async function revoke(tx: Tx, purchase: Purchase, { key, reason }: Change): Promise<readonly PendingRef[]> {
    const { purchaseId, userId } = purchase;
    // The person's row first, as everywhere.
    await periods.settle(tx, userId);
    const paid = await findPaidPeriod(tx, purchaseId);
    if (paid === undefined) return [];
    const { planCode, lesserCode } = paid;
    const tokens = await clawGrants(tx, purchaseId, lesserCode === null ? null : planCode);
    if (paid.current && lesserCode !== null) await withholdPlan(tx, paid, planCode, lesserCode);
    else if (paid.current) await revokeSubscription(tx, paid, reason === 'dispute' ? 'dispute' : 'refund');
    const { grants } = await periods.settle(tx, userId);
    if (tokens === 0) return grants;
    await insertClawback(tx, { purchaseId, userId, tokens });
    return [...grants, ...(await move(tx, userId, -tokens, `clawback:${key}`))];
  }

  /** What `revoke` took; the plan only for what is left of its period. */
  async function restore(tx: Tx, purchase: Purchase, { key }: Change): Promise<readonly PendingRef[]> {
    const { purchaseId, userId } = purchase;
    await periods.settle(tx, userId);
    const tokens = await sumClawbacks(tx, purchaseId);
    if (tokens > 0) await restoreClawbacks(tx, purchaseId);
    const paid = await findPaidPeriod(tx, purchaseId);
    if (paid?.current && paid.lesserCode !== null) await restorePlan(tx, paid, paid.planCode, paid.lesserCode);
    else if (paid?.current) await restoreSubscription(tx, paid);
    const { grants } = await periods.settle(tx, userId);
    return tokens === 0 ? grants : [...grants, ...(await move(tx, userId, tokens, `restore:${key}`))];
  }

  /** Below zero: from the person. */
  async function move(tx: Tx, userId: string, tokens: number, idempotencyKey: string): Promise<PendingRef[]> {
    const account = await ledger.accountOf(tx, userId);
    const platform = ledger.platformAccountFor(account);
    const common = { asset: 'token', tokenAmount: Math.abs(tokens), idempotencyKey } as const;
    return ledger.enqueue(tx, [
      tokens < 0
        ? { ...common, fromAccount: account, toAccount: platform, purpose: 'clawback' }
        : { ...common, fromAccount: platform, toAccount: account, purpose: 'adjustment' },
    ]);
  }
}

const isOffered = (plan: PlanRow | undefined): plan is PlanRow => plan?.active === true && plan.priceMinor > 0;

function toOffer({ code: id, nameEn: en, nameJa: ja, priceMinor: amountMinor, currency, interval }: PlanRow): Offer {
  return { id, amountMinor, currency, units: 1, name: { en, ja }, interval };
}
