/**
 * Tokens: settling what was streamed, granting, balances, usage and the ledger's reading. Every movement is an entry of a hash
 * chain between two accounts. Reservations, plans and money join later; nothing here calls the outside.
 */
import { findAccounts, findBalances, insertAccounts, platformAccount } from '../../db/billing/accounts.ts';
import { listEntries, type OwnEntry } from '../../db/billing/ledger.ts';
import { listUsage } from '../../db/billing/usage.ts';
import type { Database, Tx } from '../../db/client.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { LedgerEntry, UsageDay } from '../../protocol/billing.ts';
import { shardOf } from '../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { LedgerDraft } from '../../workers/tasks.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { type ChainReport, checkChains } from './chain-check.ts';
import { LedgerWriter } from './ledger-writer.ts';
import {
  ASSET,
  billableOf,
  partiesOf,
  type Settled,
  type Settlement,
  settlementKey,
  tokensOf,
  usageOf,
  utcDay,
} from './settlement.ts';

export type { ChainReport } from './chain-check.ts';
export type { Settled, Settlement } from './settlement.ts';

const DAY_MS = 86_400_000;
const ACCOUNT_CACHE = 50_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class BillingService {
  readonly #db: Database;
  readonly #runner: TaskRunner;
  readonly #clock: Clock;
  readonly #signUpGrantTokens: number;
  readonly #writer: LedgerWriter;
  /** Account by user. Only what a committed transaction has made: one that is rolled back must leave nothing here. */
  readonly #accounts = new Map<string, string>();

  constructor(db: Database, runner: TaskRunner, clock: Clock, options: { signUpGrantTokens: number }) {
    this.#db = db;
    this.#runner = runner;
    this.#clock = clock;
    this.#signUpGrantTokens = options.signUpGrantTokens;
    this.#writer = new LedgerWriter(runner);
  }

  /**
   * Books finished answers, in the transaction (of the service) that stores their messages. One generation is paid once: again
   * gives the first entry. The caller takes no locks of billing before.
   * @returns one result for each settlement, in order.
   * @throws an error with code `busy` when the workers have too much to do; the caller's transaction must then be rolled back.
   */
  async settle(tx: Tx, settlements: readonly Settlement[]): Promise<Settled[]> {
    if (settlements.length === 0) return [];
    const billable = billableOf(settlements);
    const accounts = await this.#accountsOf(
      tx,
      billable.flatMap((one) => partiesOf(one).filter((user) => user !== undefined)),
    );
    const byKey = new Map(billable.map((one) => [settlementKey(one.generationId), one]));
    const drafts = billable.map((one) => this.#settlementDraft(one, accounts));
    const usage = (fresh: readonly LedgerDraft[]) =>
      usageOf(fresh.flatMap((draft) => byKey.get(draft.idempotencyKey) ?? []));
    const appended = drafts.length === 0 ? undefined : await this.#writer.append(tx, drafts, usage);
    const balances = await this.#balancesAfter(tx, settlements, accounts, appended?.balances ?? new Map());
    return settlements.map(({ generationId, userId }) => {
      const entry = appended?.entries.get(settlementKey(generationId));
      return {
        generationId,
        entry: entry === undefined ? undefined : { shard: entry.shard, seq: entry.seq, hash: entry.hash },
        balance: balances.get(userId) ?? 0,
      };
    });
  }

  /** The tokens that a new account begins with; once a user, in the transaction (of the service) that makes him. */
  async grantSignUp(tx: Tx, userId: string): Promise<void> {
    if (this.#signUpGrantTokens === 0) return;
    const account = getAccount(await this.#accountsOf(tx, [userId]), userId);
    // The platform's account of the user's shard, so that sign-ups spread over the shards.
    const draft = this.#draft(platformAccount(shardOf(account)), account, {
      tokenAmount: this.#signUpGrantTokens,
      purpose: 'sign_up_grant',
      // The account's pseudonym, not the user: keys stay for ever.
      idempotencyKey: `sign_up:${account}`,
      createdAtMs: this.#clock.now(),
    });
    await this.#writer.append(tx, [draft]);
  }

  /** Tokens; 0 without an account. */
  balance(userId: string): Promise<number> {
    return this.#db.asUser(userId, (tx) => this.balanceIn(tx, userId));
  }

  /** As `balance`, inside a transaction of that user or of the service. */
  async balanceIn(tx: Tx, userId: string): Promise<number> {
    return (await findBalances(tx, [userId], ASSET)).get(userId) ?? 0;
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
  async ledger(
    userId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ entries: LedgerEntry[]; nextBefore: string | null }> {
    if (before !== undefined && !UUID.test(before)) throw AppError.invalid('before', '`nextBefore` of the page before');
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

  #settlementDraft(settlement: Settlement, accounts: ReadonlyMap<string, string>): LedgerDraft {
    const [payer, payee] = partiesOf(settlement);
    const from = getAccount(accounts, payer);
    const to = payee === undefined ? platformAccount(shardOf(from)) : getAccount(accounts, payee);
    return this.#draft(from, to, {
      tokenAmount: tokensOf(settlement),
      purpose: 'generation',
      idempotencyKey: settlementKey(settlement.generationId),
      conversationId: settlement.conversationId,
      messageId: settlement.messageId,
      generationId: settlement.generationId,
      createdAtMs: settlement.atMs,
    });
  }

  #draft(
    fromAccount: string,
    toAccount: string,
    rest: Pick<LedgerDraft, 'tokenAmount' | 'purpose' | 'idempotencyKey' | 'createdAtMs'> & Partial<LedgerDraft>,
  ): LedgerDraft {
    return {
      entryId: uuidv7(this.#clock.now()),
      shard: shardOf(fromAccount),
      fromAccount,
      toAccount,
      asset: ASSET,
      unitPriceMicro: 0,
      status: 'settled',
      reversesId: null,
      conversationId: null,
      messageId: null,
      generationId: null,
      ...rest,
    };
  }

  /** Accounts of users, made where missing. */
  async #accountsOf(tx: Tx, userIds: readonly string[]): Promise<Map<string, string>> {
    const accounts = new Map<string, string>();
    for (const userId of userIds) {
      const known = this.#accounts.get(userId);
      if (known !== undefined) accounts.set(userId, known);
    }
    const unknown = [...new Set(userIds)].filter((userId) => !accounts.has(userId));
    if (unknown.length === 0) return accounts;
    const found = await findAccounts(tx, unknown);
    const missing = unknown.filter((userId) => !found.has(userId));
    if (missing.length > 0) {
      await insertAccounts(tx, missing);
      // Asked again: another gateway may have been first. Not cached, since this transaction may still be rolled back.
      for (const [userId, account] of await findAccounts(tx, missing)) accounts.set(userId, account);
    }
    for (const [userId, account] of found) {
      accounts.set(userId, account);
      this.#cache(userId, account);
    }
    return accounts;
  }

  #cache(userId: string, account: string): void {
    this.#accounts.set(userId, account);
    if (this.#accounts.size <= ACCOUNT_CACHE) return;
    const [oldest] = this.#accounts.keys();
    if (oldest !== undefined) this.#accounts.delete(oldest);
  }

  /** Balances of the users of `settlements`; those that were not moved now are asked for. */
  async #balancesAfter(
    tx: Tx,
    settlements: readonly Settlement[],
    accounts: ReadonlyMap<string, string>,
    moved: ReadonlyMap<string, number>,
  ): Promise<Map<string, number>> {
    const balances = new Map<string, number>();
    const unmoved: string[] = [];
    for (const userId of new Set(settlements.map((one) => one.userId))) {
      const balance = moved.get(accounts.get(userId) ?? '');
      if (balance === undefined) unmoved.push(userId);
      else balances.set(userId, balance);
    }
    if (unmoved.length > 0) {
      for (const [userId, balance] of await findBalances(tx, unmoved, ASSET)) balances.set(userId, balance);
    }
    return balances;
  }
}

function getAccount(accounts: ReadonlyMap<string, string>, userId: string): string {
  const account = accounts.get(userId);
  if (account === undefined) throw new Error('A user has no account although it was made a moment ago.');
  return account;
}

function toLedgerEntry(row: OwnEntry, account: string): LedgerEntry {
  return {
    shard: row.shard,
    seq: row.seq,
    hash: row.hash,
    prevHash: row.prevHash,
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
