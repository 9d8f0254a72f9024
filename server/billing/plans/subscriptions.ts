/**
 * Paid plans: what the provider says of them, applied in any order and as often as one likes, and what a person may ask for. A
 * greater plan begins at once, a smaller one and the end when the paid period is over. Money is the provider's: nothing here charges.
 */
import { findPlan, type PlanRow } from '../../../db/billing/plans/plans.ts';
import {
  findByProvider,
  findLive,
  insertSubscription,
  listQuiet,
  listToEnd,
  listToLower,
  listToPause,
  type SubscriptionRow,
  touchSubscription,
  updateSubscription,
} from '../../../db/billing/plans/subscriptions.ts';
import { instantOf, monthOf } from '../../../db/billing/plans/user-plans.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AppError } from '../../errors.ts';
import { reachProvider } from '../purchases/provider-failure.ts';
import type { PlanChange, SubscriptionFacts, SubscriptionGateway } from '../purchases/subscription-gateway.ts';
import type { PlanLedger, PlanLog } from './needs.ts';
import { getPlan, type PlanPeriods, type SettledPlan } from './periods.ts';
import { comparePlans, FREE } from './rank.ts';

/** The provider of payments, as far as paid plans need it. */
export type PaymentProvider = { readonly name: SubscriptionRow['provider']; readonly gateway: SubscriptionGateway };
type Parts = {
  db: Database;
  periods: PlanPeriods;
  ledger: Pick<PlanLedger, 'outcomesOf'>;
  /** Undefined where nothing can be bought. */
  provider: PaymentProvider | undefined;
  log: PlanLog;
  /** After the commit. */
  onChange(userId: string): void;
};

export const PLAN = 'plan';
/** A renewal is asked after when its period is over for so long. */
const QUIET_S = 60 * 60;
const AT_ONCE = 20;

export class Subscriptions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Takes over what a look at the provider has shown.
   * @param seenAt the database's clock before that look: an older look never overwrites a newer one.
   */
  async applyProviderState(userId: string, facts: SubscriptionFacts, seenAt: Date, at?: Date): Promise<void> {
    const { db, periods, log, onChange } = this.#parts;
    if (facts.product !== null && facts.product.type !== PLAN) return;
    const applied = await db.asService(async (tx) => {
      // First the person's own row, as everybody does it: two events about him go one after the other.
      await periods.settle(tx, userId, at);
      if (!(await this.#isOurs(tx, facts))) return undefined;
      const known = await claimSubscription(tx, userId, facts.provider, facts.subscriptionId);
      if (known === undefined || known.seenAt > seenAt) return undefined;
      const next = await advance(tx, known, facts, seenAt);
      await updateSubscription(tx, next);
      return { row: next, settled: await periods.settle(tx, userId, at), isNews: isNews(known, next) };
    });
    if (applied === undefined) return;
    await this.book(applied.settled);
    if (applied.row.duplicate && applied.row.endedAt === null) {
      log.error(
        { subscription: applied.row.id },
        'a second subscription of one person: it is ended, its money goes back',
      );
      await this.#end(applied.row);
    }
    if (applied.isNews || applied.settled.changed) onChange(userId);
  }

  /** Another plan. @throws AppError, see the command `billing.change_plan`. */
  async change(userId: string, planCode: string): Promise<void> {
    const provider = this.#provider();
    const { live, target, current } = await this.#parts.db.asService(async (tx) => {
      const live = await findLive(tx, userId);
      const target = await findPlan(tx, planCode);
      const current = live?.planCode ? await getPlan(tx, live.planCode) : undefined;
      return { live, target, current };
    });
    if (target === undefined || !target.active) throw new AppError('billing.plan_not_found');
    if (live === undefined || current === undefined) {
      if (planCode === FREE) return;
      throw new AppError('billing.checkout_required');
    }
    if (planCode === FREE)
      return this.#ask(live, () => provider().gateway.setCancelAtPeriodEnd(live.providerSubscriptionId, true));
    if (planCode === live.planCode && live.nextPlanCode === null && !live.cancelAtPeriodEnd) return;
    // A plan whose money went back is still what the provider counts from: the difference would be nothing.
    if (live.withheldPlanCode !== null) await this.#ask(live, () => this.#lower(live));
    const smaller = comparePlans(target, current) <= 0 && target.interval === current.interval;
    const to = changeTo(target, smaller ? 'period_end' : 'now');
    return this.#ask(live, () => provider().gateway.change(live.providerSubscriptionId, to));
  }

  /** The paid plan ends with its period, or does not after all. @throws AppError `billing.no_subscription`, or of the provider. */
  async setCancel(userId: string, cancel: boolean): Promise<void> {
    const provider = this.#provider();
    const live = await this.#parts.db.asService((tx) => findLive(tx, userId));
    if (live === undefined) throw new AppError('billing.no_subscription');
    if (live.cancelAtPeriodEnd === cancel) return;
    await this.#ask(live, () => provider().gateway.setCancelAtPeriodEnd(live.providerSubscriptionId, cancel));
  }

  /** Looks at the provider. */
  async refresh(row: Pick<SubscriptionRow, 'userId' | 'providerSubscriptionId' | 'provider'>): Promise<void> {
    const { provider, db } = this.#parts;
    if (provider === undefined || provider.name !== row.provider) return;
    const seenAt = await db.asService((tx) => instantOf(tx, undefined));
    const facts = await provider.gateway.read(row.providerSubscriptionId);
    if (facts !== undefined) await this.applyProviderState(row.userId, facts, seenAt);
  }

  /** The job: what should have ended is ended, what is not paid is not charged, what should have been renewed is asked after. */
  async lookAfter(): Promise<void> {
    const { provider, db, log } = this.#parts;
    if (provider === undefined) return;
    const { name, gateway } = provider;
    const { toEnd, toPause, toLower, quiet } = await db.asService(async (tx) => ({
      toEnd: await listToEnd(tx, name, AT_ONCE),
      toPause: await listToPause(tx, name, AT_ONCE),
      toLower: await listToLower(tx, name, AT_ONCE),
      quiet: await listQuiet(tx, name, QUIET_S, AT_ONCE),
    }));
    for (const row of toEnd) await this.#end(row);
    for (const row of toPause)
      await this.#settleAt(row, () => gateway.setCancelAtPeriodEnd(row.providerSubscriptionId, true));
    for (const row of toLower) await this.#settleAt(row, () => this.#lower(row));
    for (const row of quiet) {
      // Noted before: one that the provider does not know any more must not be in the way of the others.
      await db.asService((tx) => touchSubscription(tx, row.id));
      await this.refresh(row).catch((error: unknown) =>
        log.warn({ error, subscription: row.id }, 'a subscription could not be asked after'),
      );
    }
  }

  /** Waits for what was granted, after the commit. What the ledger refuses it has set apart for an operator. */
  async book({ grants }: SettledPlan): Promise<void> {
    await this.#parts.ledger.outcomesOf(grants);
  }

  async #end(row: SubscriptionRow): Promise<void> {
    const { provider } = this.#parts;
    if (provider === undefined || provider.name !== row.provider) return;
    await this.#settleAt(row, () => provider.gateway.cancelNow(row.providerSubscriptionId));
  }

  /** Tells the provider what stands here already. Never fails: the job tries again. */
  async #settleAt(row: SubscriptionRow, work: () => Promise<void>): Promise<void> {
    const { db, log } = this.#parts;
    try {
      await db.asService((tx) => touchSubscription(tx, row.id));
      await work();
      await this.refresh(row);
    } catch (error) {
      log.warn({ error, subscription: row.id }, 'the provider could not be told of a subscription; it is tried again');
    }
  }

  /** From the plan whose money went back to the one that goes on. */
  async #lower({ planCode, providerSubscriptionId }: SubscriptionRow): Promise<void> {
    const lesser = planCode === null ? undefined : await this.#parts.db.asService((tx) => findPlan(tx, planCode));
    if (lesser === undefined) return;
    await this.#parts.provider?.gateway.change(providerSubscriptionId, changeTo(lesser, 'now_unpaid'));
  }

  async #ask(live: SubscriptionRow, work: () => Promise<void>): Promise<void> {
    if (this.#parts.provider?.name !== live.provider) throw new AppError('billing.purchases_off');
    await reachProvider(work);
    await reachProvider(() => this.refresh(live));
  }

  #provider(): () => PaymentProvider {
    return () => {
      const { provider } = this.#parts;
      if (provider === undefined) throw new AppError('billing.purchases_off');
      return provider;
    };
  }

  /** Whether there is a plan to speak of: the one that the provider names, or the one that is known. */
  async #isOurs(tx: Tx, { product, provider, subscriptionId }: SubscriptionFacts): Promise<boolean> {
    if (product !== null && (await findPlan(tx, product.id)) !== undefined) return true;
    if ((await findByProvider(tx, provider, subscriptionId))?.planCode) return true;
    this.#parts.log.error({ subscriptionId }, 'a subscription is about no plan of this server');
    return false;
  }
}

function changeTo(plan: PlanRow, when: PlanChange['when']): PlanChange {
  const { code: id, priceMinor: amountMinor, currency, interval, nameEn: en, nameJa: ja } = plan;
  const price = { amountMinor, currency, interval, units: 1, name: { en, ja } };
  return { product: { type: PLAN, id }, price, requestKey: uuidv7(), when };
}

/** What the provider's state makes of a row. Pure but for looking plans up. */
async function advance(
  tx: Tx,
  known: SubscriptionRow,
  facts: SubscriptionFacts,
  seenAt: Date,
): Promise<SubscriptionRow> {
  const { product, nextProduct } = facts;
  const current = known.planCode === null ? undefined : await getPlan(tx, known.planCode);
  const plan = (product === null ? undefined : await findPlan(tx, product.id)) ?? current;
  if (plan === undefined) throw new Error('A subscription is about no plan.');
  const next = nextProduct === null ? undefined : await findPlan(tx, nextProduct.id);
  const [periodStart, periodEnd] = [new Date(facts.periodStartMs), new Date(facts.periodEndMs)];
  const isPaid = facts.status === 'active' || facts.status === 'trialing';
  const isLater = known.periodStart !== null && periodStart > known.periodStart;
  const isNext = known.periodStart === null || isLater;
  const withheldPlanCode = isLater || plan.code !== known.withheldPlanCode ? null : plan.code;
  // What is paid is never cut, whoever changed it at the provider; what is not paid yet, or not any more, does not begin.
  const begins =
    current !== undefined && comparePlans(plan, current) > 0 ? isPaid && withheldPlanCode === null : isNext;
  const atOnce = current === undefined || begins;
  const planCode = atOnce ? plan.code : current.code;
  const follows = next?.code ?? plan.code;
  const ended = facts.status === 'canceled' || facts.endedAtMs !== null;
  return {
    ...known,
    planCode,
    nextPlanCode: follows === planCode ? null : follows,
    withheldPlanCode,
    status: ended ? 'canceled' : facts.status,
    anchor: await anchorOf(tx, facts),
    periodStart,
    periodEnd,
    cancelAtPeriodEnd: facts.cancelAtPeriodEnd,
    endedAt: ended ? new Date(facts.endedAtMs ?? facts.canceledAtMs ?? seenAt.getTime()) : null,
    seenAt,
  };
}

/**
 * The row of a subscription, made where it is missing; under the lock of the person's plan. The first one that is heard of while
 * another lives is a duplicate for ever: its money goes back, whichever of its events comes first.
 * @returns undefined when it belongs to somebody else.
 */
export async function claimSubscription(
  tx: Tx,
  userId: string,
  provider: SubscriptionRow['provider'],
  providerSubscriptionId: string,
): Promise<SubscriptionRow | undefined> {
  const known = await findByProvider(tx, provider, providerSubscriptionId);
  if (known !== undefined) return known.userId === userId ? known : undefined;
  const duplicate = (await findLive(tx, userId)) !== undefined;
  await insertSubscription(tx, { id: uuidv7(), userId, provider, providerSubscriptionId, duplicate });
  return findByProvider(tx, provider, providerSubscriptionId);
}

/** Where the provider counts from, so that the 31st comes back after a shorter month; its period's start where that is no month of it. */
async function anchorOf(tx: Tx, { anchorMs, periodStartMs }: SubscriptionFacts): Promise<Date> {
  const [anchor, periodStart] = [new Date(anchorMs), new Date(periodStartMs)];
  const month = await monthOf(tx, anchor, 'UTC', periodStart);
  return month.start.getTime() === periodStartMs ? anchor : periodStart;
}

function isNews(a: SubscriptionRow, b: SubscriptionRow): boolean {
  return (
    a.status !== b.status ||
    a.planCode !== b.planCode ||
    a.nextPlanCode !== b.nextPlanCode ||
    a.cancelAtPeriodEnd !== b.cancelAtPeriodEnd ||
    a.periodEnd?.getTime() !== b.periodEnd?.getTime()
  );
}
