/**
 * Which plan a person is on, and the month he is in: caps and grants follow from here. Whoever changes anything about a person's plan
 * calls `settle` in the same transaction; it brings everything to where it has to be, once, whoever calls it how often. The row of
 * `user_plans` is locked first, so that gateways, jobs and events about one person go one after the other.
 * Without a paid plan months follow one another from the person's sign-up, in his time zone; with one they are the provider's.
 */
import { insertGrant, sumGrants } from '../../../db/billing/plans/grants.ts';
import { findPlan, type PlanRow } from '../../../db/billing/plans/plans.ts';
import { findLive, type SubscriptionRow } from '../../../db/billing/plans/subscriptions.ts';
import {
  type AtCap,
  beginUserPlan,
  deleteUserPlan,
  findHome,
  instantOf,
  lockUserPlan,
  monthOf,
  type Terms,
  type UserPlanRow,
  updateUserPlan,
} from '../../../db/billing/plans/user-plans.ts';
import type { Tx } from '../../../db/client.ts';
import type { PendingRef } from '../ledger/movement.ts';
import type { Allowances, PlanLedger } from './needs.ts';
import { FREE } from './rank.ts';

type Parts = {
  ledger: Pick<PlanLedger, 'accountOf' | 'platformAccountFor' | 'enqueue'>;
  allowances: Allowances;
  /** For those who have not chosen. */
  atCap: AtCap;
};
export type SettledPlan = {
  /** Undefined for a person who does not live. */
  plan: UserPlanRow | undefined;
  changed: boolean;
  /** For `outcomesOf`, after the commit. */
  grants: readonly PendingRef[];
};

const DAY_MS = 86_400_000;
/** A period that the provider has not renewed counts on for so long: its news may be late. */
export const GRACE_MS = 3 * DAY_MS;
/** How soon one who waits for such news is looked at again. */
const WAIT_MS = 10 * 60_000;
/** Months that nobody granted, because the server was down, are granted one after the other; no more than these at once. */
const MAX_STEPS = 60;

export class PlanPeriods {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** In a transaction of the service. @param at instead of the database's clock. */
  async settle(tx: Tx, userId: string, at?: Date): Promise<SettledPlan> {
    const now = await instantOf(tx, at);
    const begun = await beginUserPlan(tx, userId, now);
    const before = await lockUserPlan(tx, userId);
    const home = before && (await findHome(tx, userId));
    if (before === undefined || home === undefined) return { plan: undefined, changed: false, grants: [] };
    if (home.deleted) {
      await deleteUserPlan(tx, userId);
      return { plan: undefined, changed: true, grants: [] };
    }
    const paid = effective(await findLive(tx, userId), now);
    const grants: PendingRef[] = [];
    let row = await this.#withPlan(tx, before, paid, home, now);
    grants.push(...(await this.#grant(tx, row, paid)));
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const next = await nextPeriod(tx, row, paid, home, now);
      if (next === undefined) break;
      row = next;
      grants.push(...(await this.#grant(tx, row, paid)));
    }
    row = { ...row, dueAt: dueAfter(row, now) };
    const changed = begun || isOther(before, row);
    if (changed || row.dueAt.getTime() !== before.dueAt.getTime()) await updateUserPlan(tx, row);
    if (changed) await this.allow(tx, row);
    return { plan: row, changed, grants };
  }

  /** What follows from a row of `user_plans` for spending. */
  async allow(tx: Tx, { userId, capTokens, anchor: periodAnchor, timeZone, atCap }: UserPlanRow): Promise<void> {
    const change = { capTokens, periodAnchor, timeZone, atCap: atCap ?? this.#parts.atCap };
    await this.#parts.allowances.setAllowance(tx, userId, change);
  }

  get atCap(): AtCap {
    return this.#parts.atCap;
  }

  /** Another plan than before begins with a period of its own; a greater one of the same subscription within the period. */
  async #withPlan(tx: Tx, row: UserPlanRow, paid: Paid | undefined, home: Home, now: Date): Promise<UserPlanRow> {
    if (paid === undefined) {
      if (row.subscriptionId === null) return row;
      const { start: periodStart, end: periodEnd } = await monthOf(tx, home.anchor, home.timeZone, now);
      const place = { anchor: home.anchor, timeZone: home.timeZone, subscriptionId: null, periodStart, periodEnd };
      return { ...row, ...place, ...(await termsOf(tx, FREE)) };
    }
    const same = row.subscriptionId === paid.id && row.anchor.getTime() === paid.anchor.getTime();
    if (same && row.planCode === paid.planCode) return row;
    if (same && now < row.periodEnd) return { ...row, ...(await termsOf(tx, paid.planCode)) };
    const { start: periodStart, end: periodEnd } = await monthOf(tx, paid.anchor, 'UTC', within(paid, now));
    const place = { anchor: paid.anchor, timeZone: 'UTC', subscriptionId: paid.id, periodStart, periodEnd };
    return { ...row, ...place, ...(await termsOf(tx, paid.planCode)) };
  }

  /** The tokens of a period, once. A greater plan within it adds what is missing. Nothing before the money is there. */
  async #grant(tx: Tx, row: UserPlanRow, paid: Paid | undefined): Promise<PendingRef[]> {
    // The first month of an account has what the sign-up gave.
    const due = paid === undefined ? row.periodStart > row.anchor : paid.settled;
    if (!due || row.grantTokens === 0) return [];
    const granted = await sumGrants(tx, row);
    const tokens = row.grantTokens - granted.tokens;
    if (tokens <= 0) return [];
    const { ledger } = this.#parts;
    const account = await ledger.accountOf(tx, row.userId);
    // The account's pseudonym and no user; with what is granted in all, so that what a greater plan adds has a key of its own.
    const source = row.subscriptionId === null ? 'free' : row.subscriptionId;
    const again = granted.taken === 0 ? '' : `:${granted.taken}`;
    const idempotencyKey = `plan:${account}:${source}:${row.periodStart.getTime()}:${row.grantTokens}${again}`;
    const { userId, planCode, subscriptionId, periodStart, periodEnd } = row;
    await insertGrant(tx, { idempotencyKey, userId, planCode, subscriptionId, periodStart, periodEnd, tokens });
    const fromAccount = ledger.platformAccountFor(account);
    return ledger.enqueue(tx, [
      { fromAccount, toAccount: account, asset: 'token', tokenAmount: tokens, purpose: 'plan_grant', idempotencyKey },
    ]);
  }
}

type Home = { anchor: Date; timeZone: string };
type Paid = { id: string; planCode: string; anchor: Date; periodStart: Date; periodEnd: Date; settled: boolean };

/** A subscription that gives its plan now. One whose payment failed does so while the provider still tries. */
function effective(found: SubscriptionRow | undefined, now: Date): Paid | undefined {
  if (found === undefined) return undefined;
  const { id, planCode, anchor, periodStart, periodEnd, status } = found;
  if (planCode === null || anchor === null || periodStart === null || periodEnd === null) return undefined;
  if (status !== 'trialing' && status !== 'active' && status !== 'past_due') return undefined;
  const ends = periodEnd.getTime() + (found.cancelAtPeriodEnd ? 0 : GRACE_MS);
  if (now.getTime() >= ends) return undefined;
  return { id, planCode, anchor, periodStart, periodEnd, settled: status !== 'past_due' };
}

/** The instant whose month counts: within what the provider has said, whose clock may be ahead of ours. */
const within = ({ periodStart, periodEnd }: Paid, now: Date): Date =>
  new Date(Math.max(periodStart.getTime(), Math.min(now.getTime(), periodEnd.getTime() - 1)));

/** The period behind that of `row`, if that one is over and the next one may begin. */
async function nextPeriod(
  tx: Tx,
  row: UserPlanRow,
  paid: Paid | undefined,
  home: Home,
  now: Date,
): Promise<UserPlanRow | undefined> {
  const periodStart = row.periodEnd;
  if (periodStart > now || (paid !== undefined && periodStart >= paid.periodEnd)) return undefined;
  const { anchor, timeZone } = paid === undefined ? home : { anchor: paid.anchor, timeZone: 'UTC' };
  // Ten days on: who has moved to another time zone gets neither a month of a few hours nor a gap.
  const { end: periodEnd } = await monthOf(tx, anchor, timeZone, new Date(periodStart.getTime() + 10 * DAY_MS));
  return { ...row, anchor, timeZone, periodStart, periodEnd, ...(await termsOf(tx, paid?.planCode ?? FREE)) };
}

async function termsOf(tx: Tx, planCode: string): Promise<Terms> {
  const plan = await getPlan(tx, planCode);
  return {
    planCode,
    avatarLimit: plan.avatarLimit,
    capTokens: plan.monthlyTokenLimit,
    grantTokens: plan.monthlyTokens,
  };
}

export async function getPlan(tx: Tx, planCode: string): Promise<PlanRow> {
  const plan = await findPlan(tx, planCode);
  if (plan === undefined) throw new Error(`There is no plan ${planCode}.`);
  return plan;
}

/** The end of the period; while the provider's news is awaited, soon. */
function dueAfter({ periodEnd }: UserPlanRow, now: Date): Date {
  return periodEnd > now ? periodEnd : new Date(now.getTime() + WAIT_MS);
}

function isOther(a: UserPlanRow, b: UserPlanRow): boolean {
  return (
    a.planCode !== b.planCode ||
    a.subscriptionId !== b.subscriptionId ||
    a.periodStart.getTime() !== b.periodStart.getTime() ||
    a.periodEnd.getTime() !== b.periodEnd.getTime() ||
    a.anchor.getTime() !== b.anchor.getTime()
  );
}
