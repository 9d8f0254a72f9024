/**
 * The monthly run: everything that creators have open becomes one payout each, by currency. Each creator is one transaction under
 * his own lock, so a run that breaks off goes on where it was, and two gateways that run the same month pay nobody twice.
 *
 * In a month's payout: what was earned and past its holding time before the month's end, and every refund of such a sale that is
 * known when the run comes to its creator. What is told later is in the next one.
 */

import * as earnings from '../../../db/billing/payouts/earnings.ts';
import * as payouts from '../../../db/billing/payouts/payouts.ts';
import * as runs from '../../../db/billing/payouts/runs.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import { dueMonth, MONTH } from './month.ts';
import { sumUp } from './month-end.ts';
import type { CreatorDirectory } from './needs.ts';
import { amountIn, type PayoutPolicy } from './policy.ts';
import type { TokenEarnings } from './token-earnings.ts';

const BATCH = 200;

export type Preview = payouts.PayoutSums & { creatorId: string; currency: string; status: payouts.PayoutStatus };
export type RunReport = { run: runs.RunRow; made: number };
type Parts = {
  db: Database;
  clock: Clock;
  policy: PayoutPolicy;
  creators: CreatorDirectory;
  /** Called in each creator's transaction before his lines are taken. */
  beforeCreator?: (tx: Tx, creatorId: string, period: runs.Period) => Promise<void>;
  /** Undefined where earned tokens stay tokens. */
  tokens?: Pick<TokenEarnings, 'take' | 'isOn'> | undefined;
};
type Key = { creatorId: string; currency: string };

export class PayoutRuns {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Makes the payouts of a month; done once, asking again changes nothing.
   * @param startedBy the operator; null for the server itself.
   * @throws AppError `billing.payout_month_open` before its end, `billing.payout_month_passed` after a later one was run.
   */
  async run(month: string, startedBy: string | null): Promise<RunReport> {
    const run = await this.#open(month, startedBy);
    if (run.finishedAtMs !== null) return { run, made: 0 };
    let made = 0;
    for await (const key of this.#everybody(run.endMs)) made += (await this.#makePayout(run, key)) ? 1 : 0;
    const finished = await this.#parts.db.asService(async (tx) => {
      await runs.finishRun(tx, run.runId);
      return runs.findRun(tx, month);
    });
    return { run: finished ?? run, made };
  }

  /** What `run` would make now, but for tokens that it would turn into money. Writes nothing; also for a month that has not ended. */
  async preview(month: string): Promise<{ period: runs.Period; payouts: Preview[] }> {
    checkMonth(month);
    const { db, policy } = this.#parts;
    const period = await db.asService((tx) => runs.findPeriod(tx, month, policy.timeZone));
    const found: Preview[] = [];
    for await (const key of this.#candidates(period.endMs)) {
      const preview = await db.asService(async (tx): Promise<Preview | undefined> => {
        const latest = await payouts.findLatestPayout(tx, key.creatorId, key.currency);
        if (latest !== undefined && latest.month >= month) return undefined;
        const lines = await earnings.sumOpenEarnings(tx, key.creatorId, key.currency, period.endMs);
        const sums = sumUp(latest?.closingMinor ?? 0, lines, this.#rules(key.currency));
        return { ...key, ...sums, status: await this.#firstStatus(tx, key.creatorId, sums) };
      });
      if (preview !== undefined) found.push(preview);
    }
    return { period, payouts: found };
  }

  /** The chore of the server: the run of the month that is due, if nobody has done it. */
  async runDue(): Promise<RunReport | undefined> {
    const { db, clock, policy } = this.#parts;
    const month = dueMonth(clock.now(), policy.timeZone, policy.runDay);
    if (month === undefined) return undefined;
    const [last] = await db.asService((tx) => runs.listRuns(tx, 1));
    if (last !== undefined && (last.month > month || (last.month === month && last.finishedAtMs !== null)))
      return undefined;
    return this.run(month, null);
  }

  async #open(month: string, startedBy: string | null): Promise<runs.RunRow> {
    checkMonth(month);
    const { db, clock, policy } = this.#parts;
    return db.asService(async (tx) => {
      // One at a time, so that no two months are opened in the wrong order.
      await earnings.lockSource(tx, 'creator', 'runs');
      const [last] = await runs.listRuns(tx, 1);
      if (last !== undefined && last.month > month)
        throw new AppError('billing.payout_month_passed', { last: last.month });
      const period = await runs.findPeriod(tx, month, policy.timeZone);
      if (last?.month !== month && period.endMs > clock.now())
        throw new AppError('billing.payout_month_open', { endsAt: new Date(period.endMs).toISOString() });
      await runs.insertRun(tx, { runId: uuidv7(clock.now()), month, timeZone: policy.timeZone, ...period, startedBy });
      const run = await runs.findRun(tx, month);
      if (run === undefined) throw new Error('A run that was opened a moment ago is not there.');
      return run;
    });
  }

  /** Everybody for whom a payout may have to be made: open earnings, or an amount carried that is enough by now. */
  async *#candidates(beforeMs: number): AsyncGenerator<Key> {
    const { db } = this.#parts;
    let after: Key | undefined;
    for (;;) {
      const page: Key[] = await db.asService((tx) => earnings.listOpenCreators(tx, beforeMs, after, BATCH));
      yield* page;
      after = page.at(-1);
      if (after === undefined) break;
    }
    for (;;) {
      const page = await db.asService((tx) => payouts.listCarried(tx, after, BATCH));
      for (const row of page) {
        const { minimumMinor, feeMinor } = this.#rules(row.currency);
        if (row.closingMinor - feeMinor >= Math.max(1, minimumMinor)) yield row;
      }
      after = page.at(-1);
      if (after === undefined) break;
    }
  }

  /** With those who have earned nothing but tokens, where these are money. */
  async *#everybody(beforeMs: number): AsyncGenerator<Key> {
    yield* this.#candidates(beforeMs);
    const { db, creators, tokens, policy } = this.#parts;
    for (let after: string | undefined; tokens?.isOn; ) {
      const last = after;
      const page = await db.asService((tx) => creators.list(tx, last, BATCH));
      for (const creatorId of page) yield { creatorId, currency: policy.tokenCurrency };
      after = page.at(-1);
      if (after === undefined) break;
    }
  }

  /** @returns false when this creator's month was settled before. */
  async #makePayout(run: runs.RunRow, { creatorId, currency }: Key): Promise<boolean> {
    const { db, clock, beforeCreator, tokens } = this.#parts;
    return db.asService(async (tx) => {
      await earnings.lockSource(tx, 'creator', `${creatorId}:${currency}`);
      const latest = await payouts.findLatestPayout(tx, creatorId, currency);
      if (latest !== undefined && latest.month >= run.month) return false;
      await beforeCreator?.(tx, creatorId, run);
      await tokens?.take(tx, creatorId, currency, run.month, run);
      const payoutId = uuidv7(clock.now());
      const lines = await earnings.takeOpenEarnings(tx, payoutId, creatorId, currency, run.endMs);
      const sums = sumUp(latest?.closingMinor ?? 0, lines, this.#rules(currency));
      const lineCount = lines.reduce((sum, { count }) => sum + count, 0);
      if (lineCount === 0 && sums.amountMinor === 0) return false;
      const status = await this.#firstStatus(tx, creatorId, sums);
      const { runId, month, startMs, endMs, timeZone } = run;
      const period = { runId, month, startMs, endMs, timeZone };
      await payouts.insertPayout(tx, { payoutId, creatorId, currency, ...period, ...sums, lineCount, status });
      await payouts.insertPayoutEvent(tx, {
        eventId: uuidv7(clock.now()),
        payoutId,
        atMs: clock.now(),
        fromStatus: null,
        toStatus: status,
        actorType: run.startedBy === null ? 'service' : 'admin',
        actorId: run.startedBy,
        reason: null,
        code: status === 'held' ? 'creator_suspended' : null,
      });
      return true;
    });
  }

  async #firstStatus(tx: Tx, creatorId: string, sums: payouts.PayoutSums): Promise<payouts.PayoutStatus> {
    if (sums.amountMinor === 0) return 'carried';
    const creator = await this.#parts.creators.findById(tx, creatorId);
    if (creator?.status !== 'active') return 'held';
    return this.#parts.policy.needsApproval ? 'pending' : 'approved';
  }

  #rules(currency: string): { minimumMinor: number; feeMinor: number } {
    const { minimumMinor, feeMinor } = this.#parts.policy;
    return { minimumMinor: amountIn(minimumMinor, currency), feeMinor: amountIn(feeMinor, currency) };
  }
}

function checkMonth(month: string): void {
  if (!MONTH.test(month)) throw AppError.invalid('month', 'a month such as 2026-10');
}
