/**
 * Tokens: settling what was streamed, granting, balances, usage and the ledger's reading. Every movement is an entry of a hash
 * chain between two accounts. Reservations, plans and money join later; nothing here calls the outside.
 */
import { type Balances, findAccounts, findBalances } from '../../db/billing/accounts.ts';
import type { HoldWish } from '../../db/billing/holds.ts';
import { findPendingByKeys } from '../../db/billing/ledger/pending.ts';
import { findByKeys, listEntries, type OwnEntry } from '../../db/billing/ledger.ts';
import { findSpendingNow } from '../../db/billing/month.ts';
import {
  type AllowanceChange,
  changeAllowance,
  changeOrganizationAllowance,
  type OrganizationAllowanceChange,
} from '../../db/billing/spending.ts';
import { addUsage, listUsage } from '../../db/billing/usage.ts';
import type { Database, Tx } from '../../db/client.ts';
import type { LedgerEntry, UsageDay } from '../../protocol/billing.ts';
import type { UpReply } from '../../protocol/up.ts';
import { isUuid } from '../../protocol/uuid.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { type ChainReport, checkChains } from './chain-check.ts';
import { extend, hold, holdAhead, release, releaseExpired, takeHolds, takeLate } from './holds/holds.ts';
import { Ledger, type LedgerParts } from './ledger/ledger.ts';
import { EntryRefused, type LedgerPlace, type PendingRef } from './ledger/movement.ts';
import { Once } from './requests/once.ts';
import {
  addonKey,
  billableOf,
  type Charge,
  chargesOf,
  partiesOf,
  type Settled,
  type Settlement,
  settlementKey,
  tokensOf,
  usageOf,
  utcDay,
} from './settlement.ts';

export type { ChainReport } from './chain-check.ts';
export { toRefusal } from './holds/holds.ts';
export type { Charge, Settled, Settlement } from './settlement.ts';

const DAY_MS = 86_400_000;

export type BillingOptions = {
  signUpGrantTokens: number;
  /** 'free': everything is recorded, nothing is held or refused. */
  mode?: 'metered' | 'free';
};

export class BillingService {
  readonly ledger: Ledger;
  /** Commands that are answered once by account and key. */
  readonly once: Once;
  readonly #db: Database;
  readonly #runner: TaskRunner;
  readonly #clock: Clock;
  readonly #signUpGrantTokens: number;
  readonly #free: boolean;

  constructor(
    db: Database,
    runner: TaskRunner,
    clock: Clock,
    options: BillingOptions,
    ledger: Partial<Omit<LedgerParts, 'db' | 'runner' | 'clock'>> = {},
  ) {
    this.#db = db;
    this.#runner = runner;
    this.#clock = clock;
    this.#signUpGrantTokens = options.signUpGrantTokens;
    this.#free = options.mode === 'free';
    this.once = new Once(db, { accountOf: (tx, userId) => this.ledger.accountOf(tx, userId) });
    this.ledger = new Ledger({ db, runner, clock, log: silent, ...ledger });
  }

  /** Leads its share of the chains from now on. */
  start(): Promise<void> {
    return this.ledger.start();
  }

  /** Books what waits, and leaves the chains to others. */
  stop(): Promise<void> {
    return this.ledger.stop();
  }

  /**
   * Sets tokens aside for an answer, in the transaction (of the user or of the service) that writes the turn, before the model is
   * asked. In the free mode nothing is, and all that was wished for is granted.
   * @returns the most that the model may write.
   * @throws AppError `billing.insufficient_tokens`, `billing.monthly_cap_reached`, `billing.organization_cap_reached`; the
   *   transaction is rolled back then. Whoever does not await it alone finds the same in `toRefusal`.
   */
  async hold(tx: Tx, wish: HoldWish): Promise<{ maxOutputTokens: number }> {
    if (this.#free) return { maxOutputTokens: wish.maxOutputTokens };
    return { maxOutputTokens: (await hold(tx, wish)).outputTokens };
  }

  /**
   * Sets aside prompt and longest answer before the turn itself is written, in a transaction of its own; all of it or nothing.
   * @returns false when less than that is there: nothing is held then.
   */
  async holdAhead(wish: Omit<HoldWish, 'minOutputTokens'>): Promise<boolean> {
    return this.#free || holdAhead(this.#db, wish);
  }

  /** Of answers that there will not be. Again and again does no harm. */
  async giveBack(generationIds: readonly string[]): Promise<void> {
    if (!this.#free) await this.#db.asService((tx) => release(tx, generationIds));
  }

  /** For answers that still run; called again and again. */
  extendHolds(generationIds: readonly string[]): Promise<void> {
    return extend(this.#db, generationIds);
  }

  /** A chore: gives back what is held for answers that nobody runs any more. */
  releaseExpiredHolds(): Promise<number> {
    return releaseExpired(this.#db);
  }

  /**
   * Decides what finished answers cost, in the transaction (of the service) that stores their messages: as much as they used, never
   * more than was held. Once for each generation: again gives the first entry.
   * @returns one for each settlement, in order, for `booked` after the commit.
   */
  async settle(tx: Tx, settlements: readonly Settlement[]): Promise<Charge[]> {
    if (settlements.length === 0) return [];
    const billable = billableOf(settlements);
    const users = billable.flatMap((one) => partiesOf(one).filter((user) => user !== undefined));
    const accounts = await this.ledger.accountsOf(tx, users);
    const charged = new Set(billable.map(({ generationId }) => generationId));
    const taken = this.#free ? undefined : await takeHolds(tx, [...charged]);
    // Whose hold was open has never been settled; of the others nobody knows without asking.
    const known = await this.#findRefs(
      tx,
      [...charged].filter((generationId) => taken?.get(generationId)?.wasHeld !== true),
    );
    const fresh = billable.filter(({ generationId }) => !known.has(generationId));
    const late = fresh.filter(({ generationId }) => taken?.has(generationId) === false);
    const holds =
      taken &&
      new Map([
        ...taken,
        ...(await takeLate(
          tx,
          late.map((one) => ({ ...one, tokens: tokensOf(one) })),
        )),
      ]);
    if (!this.#free)
      await release(
        tx,
        settlements.flatMap(({ generationId }) => (charged.has(generationId) ? [] : [generationId])),
      );
    const movements = fresh.flatMap((one) => {
      const held = holds?.get(one.generationId);
      return holds !== undefined && held === undefined ? [] : chargesOf(one, accounts, held);
    });
    const made = groupByGeneration(await this.ledger.enqueue(tx, movements));
    // Another gateway may have settled it in the meantime: then it has counted it.
    const usage = usageOf(
      fresh.filter((one) => made.get(one.generationId)?.every(({ draft }) => draft !== undefined) ?? true),
    );
    if (usage.length > 0) await addUsage(tx, usage);
    return settlements.map(({ generationId, userId }) => {
      const refs = made.get(generationId) ?? known.get(generationId) ?? [];
      return { generationId, userId, refs };
    });
  }

  /**
   * Waits until the chains have what `settle` decided; after the commit of its transaction.
   * @returns one for each charge, in order.
   */
  async booked(charges: readonly Charge[]): Promise<Settled[]> {
    if (charges.length === 0) return [];
    // What the ledger refuses was set apart for an operator; the answer itself stands, and is told without an entry.
    const outcomes = await this.ledger.outcomesOf(charges.flatMap(({ refs }) => refs));
    const places = new Map(
      outcomes.flatMap((one) => (one instanceof EntryRefused ? [] : [[one.idempotencyKey, one] as const])),
    );
    const users = [...new Set(charges.map(({ userId }) => userId))];
    const balances = await this.#db.asService((tx) => findBalances(tx, users));
    return charges.map(({ generationId, userId, refs }) => {
      const place = places.get(refs[0]?.idempotencyKey ?? '');
      const entry = place === undefined ? undefined : { shard: place.shard, seq: place.seq, hash: place.hash };
      return { generationId, entry, balance: totalOf(balances.get(userId)) };
    });
  }

  /**
   * Where an answer that has ended stands in the ledger.
   * @returns undefined when nothing was charged for it, 'pending' while its entry is not in its chain yet.
   */
  async findPaid(tx: Tx, generationId: string): Promise<LedgerPlace | 'pending' | undefined> {
    const keys = [settlementKey(generationId), addonKey(generationId)];
    const [pending, entries] = await Promise.all([findPendingByKeys(tx, keys), findByKeys(tx, keys)]);
    // The granted part, where there is one, is the first of both.
    const [entry] = entries.sort((a, b) => a.idempotencyKey.length - b.idempotencyKey.length);
    if (entry !== undefined) return { shard: entry.shard, seq: entry.seq, hash: entry.hash };
    return pending.length > 0 ? 'pending' : undefined;
  }

  async whenBooked(generationId: string): Promise<void> {
    const refs = await this.#db.asService((tx) => this.#findRefs(tx, [generationId]));
    await this.ledger.outcomesOf([...refs.values()].flat());
  }

  /** The tokens that a new account begins with; once a user, in the transaction (of the service) that makes him. */
  async grantSignUp(tx: Tx, userId: string): Promise<readonly PendingRef[]> {
    if (this.#signUpGrantTokens === 0) return [];
    const account = await this.ledger.accountOf(tx, userId);
    return this.ledger.enqueue(tx, [
      {
        fromAccount: this.ledger.platformAccountFor(account),
        toAccount: account,
        asset: 'token',
        tokenAmount: this.#signUpGrantTokens,
        purpose: 'sign_up_grant',
        // The account's pseudonym, not the user: keys stay for ever.
        idempotencyKey: `sign_up:${account}`,
      },
    ]);
  }

  /** What a user may spend in his period. In a transaction of the service. */
  async setAllowance(tx: Tx, userId: string, change: AllowanceChange): Promise<void> {
    await changeAllowance(tx, await this.ledger.accountOf(tx, userId), change);
  }

  /** What the members of an organisation may spend together in its period. In a transaction of the service. */
  setOrganizationAllowance(tx: Tx, organizationId: string, change: OrganizationAllowanceChange): Promise<void> {
    return changeOrganizationAllowance(tx, organizationId, change);
  }

  /** Tokens; 0 without an account. */
  balance(userId: string): Promise<number> {
    return this.#db.asUser(userId, (tx) => this.balanceIn(tx, userId));
  }

  /** As `balance`, inside a transaction of that user or of the service. */
  async balanceIn(tx: Tx, userId: string): Promise<number> {
    return totalOf((await findBalances(tx, [userId])).get(userId));
  }

  /** What a user may spend, and how much of his month is used. */
  async spending(userId: string): Promise<UpReply<'billing.spending'>> {
    const now = await this.#db.asUser(userId, (tx) => findSpendingNow(tx, userId));
    if (now === undefined)
      return { tokens: 0, boughtTokens: 0, heldTokens: 0, heldBoughtTokens: 0, atCap: 'stop', month: null };
    const { startMs, endMs, capTokens, usedTokens, ...rest } = now;
    const [start, end] = [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
    return { ...rest, month: { start, end, usedTokens, capTokens } };
  }

  /** Days with usage among the last `days`, today (UTC) included; newest first. */
  async usage(userId: string, days: number): Promise<{ days: UsageDay[]; balance: number }> {
    const fromDay = utcDay(this.#clock.now() - (days - 1) * DAY_MS);
    return this.#db.asUser(userId, async (tx) => {
      const [rows, balance] = await Promise.all([listUsage(tx, userId, fromDay), this.balanceIn(tx, userId)]);
      const usage = rows.map(({ day, tokensIn, tokensOut, conversations }) => ({
        day,
        tokensIn,
        tokensOut,
        conversations,
      }));
      return { days: usage, balance };
    });
  }

  /**
   * A user's entries, newest first.
   * @param before `nextBefore` of the page before.
   * @throws AppError `protocol.invalid_body` when `before` is not one.
   */
  async listLedger(
    userId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ entries: LedgerEntry[]; nextBefore: string | null }> {
    if (before !== undefined && !isUuid(before)) throw AppError.invalid('before', '`nextBefore` of the page before');
    return this.#db.asUser(userId, async (tx) => {
      const account = (await findAccounts(tx, [userId])).get(userId);
      if (account === undefined) return { entries: [], nextBefore: null };
      const rows = await listEntries(tx, account, before, limit + 1);
      const page = rows.slice(0, limit);
      const nextBefore = rows.length > limit ? (page.at(-1)?.entryId ?? null) : null;
      return { entries: page.map((row) => toLedgerEntry(row, account)), nextBefore };
    });
  }

  /** Recomputes every chain and balance. Reads the whole ledger: for operators and tests. */
  verifyChain(): Promise<ChainReport> {
    return checkChains(this.#db, this.#runner);
  }

  /** Entries of answers that are settled already, by a commit that was not heard of. */
  async #findRefs(tx: Tx, generationIds: readonly string[]): Promise<Map<string, PendingRef[]>> {
    const keys = generationIds.flatMap((id) => [settlementKey(id), addonKey(id)]);
    if (keys.length === 0) return new Map();
    const [pending, booked] = await Promise.all([findPendingByKeys(tx, keys), findByKeys(tx, keys)]);
    const shared = { entryId: '', fromAccount: '', asset: 'token', draft: undefined } as const;
    // One that was booked between the two questions was seen by both.
    const places = new Set(booked.map(({ idempotencyKey }) => idempotencyKey));
    const waiting = pending.filter(({ idempotencyKey }) => !places.has(idempotencyKey));
    const refs = [
      ...booked.map((entry) => ({ ...shared, ...entry, booked: entry })),
      ...waiting.map((place) => ({ ...shared, ...place, booked: undefined })),
    ];
    // The granted part, where there is one, is the first of both.
    return groupByGeneration(refs.sort((a, b) => a.idempotencyKey.length - b.idempotencyKey.length));
  }
}

const silent = { warn() {}, error() {} };
function groupByGeneration(refs: readonly PendingRef[]): Map<string, PendingRef[]> {
  return Map.groupBy(refs, ({ idempotencyKey }) => idempotencyKey.split(':')[1] ?? '');
}
const totalOf = (balances: Balances | undefined): number => (balances?.tokens ?? 0) + (balances?.addonTokens ?? 0);

function toLedgerEntry(row: OwnEntry, account: string): LedgerEntry {
  return {
    shard: row.shard,
    seq: row.seq,
    hash: row.hash,
    prevHash: row.prevHash,
    asset: row.asset as LedgerEntry['asset'],
    direction: row.toAccount === account ? 'in' : 'out',
    tokenAmount: row.tokenAmount,
    purpose: row.purpose,
    // Rows never change: that an entry was taken back is seen from the one that did it.
    status: row.reversed ? 'reversed' : row.status,
    conversationId: row.conversationId,
    messageId: row.messageId,
    createdAt: new Date(row.createdAtMs).toISOString(),
  };
}
