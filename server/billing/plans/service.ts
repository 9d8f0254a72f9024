/** Plans as people see them: what is offered, the own one, what happens at the cap; and what other domains ask of them. */
import { listPlans, type PlanRow } from '../../../db/billing/plans/plans.ts';
import { findOrganizationStanding } from '../../../db/billing/plans/standing.ts';
import { findLive, type SubscriptionRow } from '../../../db/billing/plans/subscriptions.ts';
import {
  type AtCap,
  findUserPlan,
  instantOf,
  listDue,
  listWithout,
  type UserPlanRow,
  updateUserPlan,
} from '../../../db/billing/plans/user-plans.ts';
import { listWarned } from '../../../db/billing/plans/warnings.ts';
import { findSpending } from '../../../db/billing/spending.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { Plan, Subscription } from '../../../protocol/billing-plans.ts';
import { AppError } from '../../errors.ts';
import type { PlanLog, Tell } from './needs.ts';
import { getPlan, type PlanPeriods, type SettledPlan } from './periods.ts';
import { FREE } from './rank.ts';
import type { Subscriptions } from './subscriptions.ts';

type Parts = { db: Database; periods: PlanPeriods; subscriptions: Subscriptions; tell: Tell; log: PlanLog };

const AT_ONCE = 200;

export class PlanService {
  readonly #parts: Parts;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What is offered, and the caller's own plan even where it is not any more. */
  async plans(userId: string): Promise<Plan[]> {
    const { planCode } = await this.#current(userId);
    const rows = await this.#parts.db.asUser(userId, listPlans);
    return rows.filter(({ active, code }) => active || code === planCode).map((row) => toPlan(row, planCode));
  }

  async subscription(userId: string): Promise<Subscription> {
    await this.#current(userId);
    return this.#parts.db.asService((tx) => this.#shown(tx, userId));
  }

  /** Null: as the server does. */
  async setAtCap(userId: string, atCap: AtCap | null): Promise<Subscription> {
    const { db, periods } = this.#parts;
    await db.asService(async (tx) => {
      const { plan } = await periods.settle(tx, userId);
      if (plan === undefined) throw new AppError('identity.unauthenticated');
      await updateUserPlan(tx, { ...plan, atCap });
      await periods.allow(tx, { ...plan, atCap });
    });
    await this.announce(userId);
    return this.subscription(userId);
  }

  /** @throws AppError, see the command. */
  async changePlan(userId: string, planCode: string): Promise<Subscription> {
    await this.#parts.subscriptions.change(userId, planCode);
    return this.subscription(userId);
  }

  /** @throws AppError, see the command. */
  async setCancel(userId: string, cancel: boolean): Promise<Subscription> {
    await this.#parts.subscriptions.setCancel(userId, cancel);
    return this.subscription(userId);
  }

  /** How many avatars a person may own in this period. Those that he has stay, whatever it is. */
  async maxAvatars(userId: string): Promise<number> {
    return (await this.#current(userId)).avatarLimit;
  }

  /** Puts a new account on the plan that costs nothing; in the transaction (of the service) that makes it. */
  async begin(tx: Tx, userId: string): Promise<void> {
    await this.#parts.periods.settle(tx, userId);
  }

  /** Tells all devices of a person how his plan stands. Never fails. */
  async announce(userId: string): Promise<void> {
    const { db, tell, log } = this.#parts;
    try {
      tell(userId, { type: 'billing.subscription', body: await db.asService((tx) => this.#shown(tx, userId)) });
    } catch (error) {
      log.warn({ error }, 'a change of a plan could not be told');
    }
  }

  /** A chore: ends periods and begins new ones. @returns how many people it was about. @param at for tests. */
  async settleDue(at?: Date): Promise<number> {
    const { db } = this.#parts;
    let done = 0;
    for (;;) {
      if (this.#stopped) return done;
      const due = await db.asService(async (tx) => listDue(tx, await instantOf(tx, at), AT_ONCE));
      done += await this.#settleAll(due, at);
      if (due.length < AT_ONCE) return done;
    }
  }

  /** A chore: people who have no plan yet. */
  async settleMissing(): Promise<number> {
    let done = 0;
    for (;;) {
      if (this.#stopped) return done;
      const missing = await this.#parts.db.asService((tx) => listWithout(tx, AT_ONCE));
      done += await this.#settleAll(missing, undefined);
      if (missing.length < AT_ONCE) return done;
    }
  }

  /** Chores that are under way end with the person they are at. */
  stop(): void {
    this.#stopped = true;
  }

  async #settleAll(userIds: readonly string[], at: Date | undefined): Promise<number> {
    let failed = 0;
    for (const userId of userIds) {
      if (this.#stopped) break;
      try {
        const settled = await this.#parts.db.asService((tx) => this.#parts.periods.settle(tx, userId, at));
        await this.#followUp(userId, settled);
      } catch (error) {
        failed += 1;
        this.#parts.log.error({ error }, 'the period of a person could not be ended; it is tried again');
      }
    }
    // The same ones would come again at once, for ever.
    if (failed === AT_ONCE) throw new Error('No period could be ended.');
    return userIds.length - failed;
  }

  /** The plan now: a period that is over is ended first. */
  async #current(userId: string): Promise<UserPlanRow> {
    const { db, periods } = this.#parts;
    const known = await db.asUser(userId, async (tx) => {
      const [row, now] = await Promise.all([findUserPlan(tx, userId), instantOf(tx, undefined)]);
      return row !== undefined && row.dueAt > now ? row : undefined;
    });
    if (known !== undefined) return known;
    const settled = await db.asService((tx) => periods.settle(tx, userId));
    await this.#followUp(userId, settled);
    if (settled.plan === undefined) throw new AppError('identity.unauthenticated');
    return settled.plan;
  }

  async #followUp(userId: string, settled: SettledPlan): Promise<void> {
    await this.#parts.subscriptions.book(settled);
    if (settled.changed && settled.plan !== undefined) await this.announce(userId);
  }

  async #shown(tx: Tx, userId: string): Promise<Subscription> {
    const [row, live, spending, warned, now] = await Promise.all([
      findUserPlan(tx, userId),
      findLive(tx, userId),
      findSpending(tx, userId),
      listWarned(tx, userId),
      instantOf(tx, undefined),
    ]);
    if (row === undefined) throw new Error('A person has no plan although he was given one a moment ago.');
    const plan = await getPlan(tx, row.planCode);
    const nextCode = live?.cancelAtPeriodEnd === true ? FREE : coming(live);
    const next = nextCode ? await getPlan(tx, nextCode) : undefined;
    const organization = spending?.organizationId
      ? await findOrganizationStanding(tx, spending.organizationId)
      : undefined;
    return {
      planId: row.planCode,
      name: nameOf(plan),
      status: live === undefined || live.status === 'canceled' ? 'free' : live.status,
      periodStart: row.periodStart.toISOString(),
      periodEnd: row.periodEnd.toISOString(),
      paidUntil: row.subscriptionId === null ? null : (live?.periodEnd?.toISOString() ?? null),
      avatarLimit: row.avatarLimit,
      monthlyTokenLimit: row.capTokens,
      monthlyTokens: row.grantTokens,
      usedTokens: spending !== undefined && spending.periodEnd > now ? spending.usedTokens : 0,
      heldTokens: spending?.heldTokens ?? 0,
      atCap: row.atCap ?? this.#parts.periods.atCap,
      atCapIsDefault: row.atCap === null,
      warned,
      scheduled:
        next === undefined || live?.periodEnd == null
          ? null
          : { planId: next.code, name: nameOf(next), at: live.periodEnd.toISOString() },
      organization:
        organization === undefined
          ? null
          : {
              organizationId: organization.organizationId,
              name: organization.name,
              monthlyTokenLimit: organization.capTokens,
              usedTokens: organization.usedTokens,
              heldTokens: organization.heldTokens,
              periodEnd: organization.periodEnd.toISOString(),
            },
    };
  }
}

/** Not one whose money went back: the provider is about to be told. */
const coming = (live: SubscriptionRow | undefined): string | null | undefined =>
  live?.nextPlanCode === live?.withheldPlanCode ? null : live?.nextPlanCode;

const nameOf = ({ nameEn: en, nameJa: ja }: PlanRow) => ({ en, ja });

function toPlan(row: PlanRow, ownCode: string): Plan {
  const {
    code: planId,
    avatarLimit,
    monthlyTokenLimit,
    monthlyTokens,
    priceMinor: amountMinor,
    currency,
    interval,
  } = row;
  const figures = { avatarLimit, monthlyTokenLimit, monthlyTokens, amountMinor, currency, interval };
  return { planId, name: nameOf(row), ...figures, current: planId === ownCode };
}
