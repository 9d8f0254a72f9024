/** Creators and their payouts, put together: what frames, routes, chores and sellers call. */
import { sumOpenByCurrency } from '../../../db/billing/payouts/earnings.ts';
import { type LineRow, listLines } from '../../../db/billing/payouts/lines.ts';
import * as payouts from '../../../db/billing/payouts/payouts.ts';
import { findShareBps, insertShare, listShares, type ShareRow } from '../../../db/billing/payouts/shares.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { Cells } from '../../../db/columns/cells.ts';
import type { LiveStore } from '../../../db/live/live-store.ts';
import type { Creator, Payout, PayoutLine } from '../../../protocol/billing-payouts.ts';
import type { TaskRunner } from '../../../workers/runner.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import { PayoutAccounts } from './accounts.ts';
import { CreatorEarnings } from './earnings.ts';
import type { CreatorDirectory, NamedCreator, PayoutLog } from './needs.ts';
import type { PayoutPolicy } from './policy.ts';
import type { PayoutProvider } from './provider.ts';
import { PayoutRuns } from './run.ts';
import { Statements } from './statements.ts';
import { TokenEarnings, type TokenLedger } from './token-earnings.ts';
import { Transfers } from './transfers.ts';

export type PayoutParts = {
  db: Database;
  clock: Clock;
  log: PayoutLog;
  live: Pick<LiveStore, 'putOnce' | 'takeOnce'>;
  runner: TaskRunner;
  cells: Pick<Cells, 'encrypt' | 'decrypt'>;
  creators: CreatorDirectory;
  policy: PayoutPolicy;
  /** Undefined: tokens stay tokens, whatever the policy says. */
  ledger?: TokenLedger | undefined;
  /** Undefined while the server is not connected to one: everything but being paid works. */
  provider?: { provider: PayoutProvider; returnUrl(): string } | undefined;
};

export class PayoutService {
  readonly #parts: PayoutParts;
  /** For whoever sells. */
  readonly earnings: CreatorEarnings;
  readonly runs: PayoutRuns;
  readonly statements: Statements;
  readonly #accounts: PayoutAccounts | undefined;
  readonly #transfers: Transfers | undefined;

  constructor(parts: PayoutParts) {
    this.#parts = parts;
    this.earnings = new CreatorEarnings(parts);
    const tokens = parts.ledger && new TokenEarnings({ ...parts, ledger: parts.ledger });
    this.runs = new PayoutRuns({ ...parts, tokens });
    this.statements = new Statements(parts);
    if (parts.provider === undefined) return;
    this.#accounts = new PayoutAccounts({ ...parts, ...parts.provider });
    this.#transfers = new Transfers({ ...parts, provider: parts.provider.provider });
  }

  /** @throws AppError `billing.payouts_unavailable` without a provider. */
  get accounts(): PayoutAccounts {
    if (this.#accounts === undefined) throw new AppError('billing.payouts_unavailable');
    return this.#accounts;
  }

  /** @throws AppError `billing.payouts_unavailable` without a provider. */
  get transfers(): Transfers {
    if (this.#transfers === undefined) throw new AppError('billing.payouts_unavailable');
    return this.#transfers;
  }

  /** Null for who is none. */
  async findCreator(userId: string): Promise<Creator | null> {
    const { db, creators } = this.#parts;
    return db.asUser(userId, async (tx) => {
      const creator = await creators.find(tx, userId);
      return creator === undefined ? null : this.#show(tx, creator);
    });
  }

  async becomeCreator(userId: string): Promise<Creator> {
    await this.#parts.db.asService((tx) => this.#parts.creators.ensure(tx, userId));
    const creator = await this.findCreator(userId);
    if (creator === null) throw new Error('A creator that was made a moment ago is not there.');
    return creator;
  }

  /** @throws AppError `billing.not_a_creator`. */
  async listOwn(
    userId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ payouts: Payout[]; nextBefore: string | null }> {
    const { db, creators } = this.#parts;
    return db.asUser(userId, async (tx) => {
      const creator = await creators.find(tx, userId);
      if (creator === undefined) throw new AppError('billing.not_a_creator');
      const { creatorId } = creator;
      const rows = await payouts.listPayouts(tx, { creatorId, limit, ...(before === undefined ? {} : { before }) });
      return { payouts: rows.map(toPayout), nextBefore: rows.length < limit ? null : (rows.at(-1)?.payoutId ?? null) };
    });
  }

  /** @throws AppError `billing.payout_not_found`, also for another creator's. */
  async listLines(
    userId: string,
    payoutId: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ lines: PayoutLine[]; nextAfter: string | null }> {
    return this.#parts.db.asUser(userId, async (tx) => {
      if ((await payouts.findPayout(tx, payoutId)) === undefined) throw new AppError('billing.payout_not_found');
      const rows = await listLines(tx, payoutId, after, limit);
      return { lines: rows.map(toLine), nextAfter: rows.length < limit ? null : (rows.at(-1)?.lineId ?? null) };
    });
  }

  /** For operators. @throws AppError `billing.creator_not_found`. */
  async getCreator(creatorId: string): Promise<NamedCreator & { shares: ShareRow[] }> {
    const { db, creators } = this.#parts;
    return db.asService(async (tx) => {
      const creator = await creators.findById(tx, creatorId);
      if (creator === undefined) throw new AppError('billing.creator_not_found');
      return { ...creator, shares: await listShares(tx, creatorId) };
    });
  }

  /** Payouts that are not yet on their way stop at the next transfer; new ones are held. @throws AppError `billing.creator_not_found`. */
  async setSuspended(creatorId: string, isSuspended: boolean): Promise<void> {
    const { db, creators } = this.#parts;
    const status = isSuspended ? 'suspended' : 'active';
    const found = await db.asService((tx) => creators.setStatus(tx, creatorId, status));
    if (!found) throw new AppError('billing.creator_not_found');
  }

  /**
   * What was agreed with one creator, for sales from a moment on; never for those that were counted already.
   * @throws AppError `billing.creator_not_found`, `billing.share_conflict`.
   */
  async setShare(creatorId: string, share: ShareRow): Promise<void> {
    const { db, creators } = this.#parts;
    await db.asService(async (tx) => {
      if ((await creators.findById(tx, creatorId)) === undefined) throw new AppError('billing.creator_not_found');
      if (!(await insertShare(tx, creatorId, share))) throw new AppError('billing.share_conflict');
    });
  }

  /** The chore: the month that is due, and the transfers that are. */
  async work(): Promise<void> {
    const report = await this.runs.runDue();
    if (report !== undefined)
      this.#parts.log.info({ month: report.run.month, made: report.made }, 'a month of payouts was run');
    await this.#transfers?.sendDue();
  }

  async #show(tx: Tx, { creatorId, status, createdAtMs }: Parameters<typeof toBase>[0]): Promise<Creator> {
    const { clock, policy, provider } = this.#parts;
    const open = await sumOpenByCurrency(tx, creatorId, clock.now());
    const carried = new Map<string, number>();
    for (const row of await payouts.listLatestPayouts(tx, creatorId)) carried.set(row.currency, row.closingMinor);
    const currencies = [...new Set([...open.map(({ currency }) => currency), ...carried.keys()])].sort();
    const balances = currencies.map((currency) => {
      const mine = open.find((one) => one.currency === currency);
      return {
        currency,
        waitingMinor: mine?.waitingMinor ?? 0,
        readyMinor: (mine?.readyMinor ?? 0) + (carried.get(currency) ?? 0),
      };
    });
    const shareBps = (await findShareBps(tx, creatorId, clock.now())) ?? policy.shareBps;
    return { ...toBase({ creatorId, status, createdAtMs }), shareBps, balances, canBePaid: provider !== undefined };
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

function toBase({
  creatorId,
  status,
  createdAtMs,
}: {
  creatorId: string;
  status: 'active' | 'suspended';
  createdAtMs: number;
}) {
  return { creatorId, status, since: iso(createdAtMs) };
}

/** As its creator sees it. */
export function toPayout(row: payouts.PayoutRow): Payout {
  const { payoutId, month, timeZone, currency, lineCount, status, reversedMinor } = row;
  const { openingMinor, grossMinor, refundsMinor, platformMinor, shareMinor } = row;
  const { clawbackMinor, returnedMinor, feeMinor, amountMinor, closingMinor } = row;
  return {
    ...{ payoutId, month, timeZone, currency, lineCount, status, reversedMinor },
    ...{ openingMinor, grossMinor, refundsMinor, platformMinor, shareMinor },
    ...{ clawbackMinor, returnedMinor, feeMinor, amountMinor, closingMinor },
    periodStart: iso(row.startMs),
    periodEnd: iso(row.endMs),
    paidAt: row.paidAtMs === null ? null : iso(row.paidAtMs),
    createdAt: iso(row.createdAtMs),
  };
}

export function toLine(row: LineRow): PayoutLine {
  const {
    lineId,
    kind,
    purchaseId,
    productType,
    productId,
    tokenAmount,
    grossMinor,
    shareBps,
    creatorMinor,
    platformMinor,
  } = row;
  const product = { purchaseId, productType, productId, tokenAmount };
  return { lineId, kind, at: iso(row.happenedAtMs), ...product, grossMinor, shareBps, creatorMinor, platformMinor };
}
