/**
 * Plans as something that is sold. The first checkout begins a subscription; each period that is paid is a purchase. Tokens are not
 * granted by the purchase but by the period, which the subscription's state brings (`subscriptions.ts`).
 */
import {
  clawGrants,
  findPaidSubscription,
  insertClawback,
  restoreClawbacks,
  sumClawbacks,
} from '../../../db/billing/plans/grants.ts';
import { findPlan, listPlans, type PlanRow } from '../../../db/billing/plans/plans.ts';
import { findLive, type ProviderName, revokeSubscription } from '../../../db/billing/plans/subscriptions.ts';
import type { Tx } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import type { PendingRef } from '../ledger/movement.ts';
import type { Offer, ProductType, Purchase } from '../purchases/product.ts';
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
      const paid = await findPaidSubscription(tx, purchaseId);
      if (paid === undefined || paid.providerSubscriptionId === null) return {};
      const { plan } = await periods.settle(tx, userId);
      const claimed = await claimSubscription(tx, userId, paid.provider as ProviderName, paid.providerSubscriptionId);
      // A second one, one whose money was taken back before, that of a person who is gone: it gives nothing, so its money goes back.
      const isOver = plan === undefined || (claimed !== undefined && claimed.revokedAt !== null);
      return { duplicate: isOver || (claimed?.duplicate ?? false) };
    },
    revoke: (tx, purchase, { key }) => revoke(tx, purchase, key),
    async restore(tx, { purchaseId, userId }, { key }) {
      const tokens = await sumClawbacks(tx, purchaseId);
      if (tokens === 0) return [];
      await restoreClawbacks(tx, purchaseId);
      const account = await ledger.accountOf(tx, userId);
      const parties = { fromAccount: ledger.platformAccountFor(account), toAccount: account };
      const rest = {
        asset: 'token',
        tokenAmount: tokens,
        purpose: 'adjustment',
        idempotencyKey: `restore:${key}`,
      } as const;
      return ledger.enqueue(tx, [{ ...parties, ...rest }]);
    },
  };

  /** The tokens of the period go back; if it is the current one, so does the plan, at once. */
  async function revoke(tx: Tx, { purchaseId, userId }: Purchase, key: string): Promise<readonly PendingRef[]> {
    // The person's row first, as everywhere.
    await periods.settle(tx, userId);
    const paid = await findPaidSubscription(tx, purchaseId);
    if (paid === undefined || paid.providerSubscriptionId === null) return [];
    if (paid.current) {
      await revokeSubscription(tx, paid.provider, paid.providerSubscriptionId);
      await periods.settle(tx, userId);
    }
    const tokens = await clawGrants(tx, purchaseId);
    if (tokens === 0) return [];
    await insertClawback(tx, { purchaseId, userId, tokens });
    const account = await ledger.accountOf(tx, userId);
    const parties = { fromAccount: account, toAccount: ledger.platformAccountFor(account) };
    const rest = {
      asset: 'token',
      tokenAmount: tokens,
      purpose: 'clawback',
      idempotencyKey: `clawback:${key}`,
    } as const;
    return ledger.enqueue(tx, [{ ...parties, ...rest }]);
  }
}

const isOffered = (plan: PlanRow | undefined): plan is PlanRow => plan?.active === true && plan.priceMinor > 0;

function toOffer({ code: id, nameEn: en, nameJa: ja, priceMinor: amountMinor, currency, interval }: PlanRow): Offer {
  return { id, amountMinor, currency, units: 1, name: { en, ja }, interval };
}
