/**
 * Where a creator is paid (001-R28): accounts at the provider, one of them his default. The provider asks him for his name and bank;
 * here is only its id for him, whether it pays, and a label to recognise the bank by, encrypted under his key.
 */
import * as rows from '../../../db/billing/payouts/accounts.ts';
import { lockSource } from '../../../db/billing/payouts/earnings.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { Cells } from '../../../db/columns/cells.ts';
import { NoDataKeyError } from '../../../db/keys/data-keys.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { PayoutAccount } from '../../../protocol/billing-payouts.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import { reachProvider } from '../purchases/provider-failure.ts';
import type { Creator, CreatorDirectory } from './needs.ts';
import { type AccountFacts, type PayoutProvider, TransferRefused } from './provider.ts';

const MAX_ACCOUNTS = 5;

export type AccountParts = {
  db: Database;
  clock: Clock;
  cells: Pick<Cells, 'encrypt' | 'decrypt'>;
  creators: CreatorDirectory;
  provider: PayoutProvider;
  /** Where the provider sends people back to. */
  returnUrl(): string;
};
export type Onboarding = { accountId: string; url: string; expiresAt: string };

export class PayoutAccounts {
  readonly #parts: AccountParts;

  constructor(parts: AccountParts) {
    this.#parts = parts;
  }

  async list(userId: string): Promise<PayoutAccount[]> {
    return this.#parts.db.asUser(userId, async (tx) => {
      const creator = await this.#creator(tx, userId);
      const found = await rows.listAccounts(tx, creator.creatorId);
      return Promise.all(found.map((row) => this.#show(tx, row)));
    });
  }

  /**
   * Makes an account, or goes on with one that broke off. The first is the default.
   * @throws AppError `billing.not_a_creator`, `billing.payout_account_limit`, `billing.provider_rejected`, `billing.provider_unavailable`.
   */
  async add(userId: string, country: string): Promise<Onboarding> {
    const { db, provider, clock } = this.#parts;
    const accountId = await db.asService(async (tx) => {
      const { creatorId } = await this.#creator(tx, userId);
      await lockSource(tx, 'creator', creatorId);
      const known = await rows.listAccounts(tx, creatorId);
      const begun = known.find((row) => row.providerAccountId === null && row.country === country);
      if (begun !== undefined && begun.provider === provider.name) return begun.accountId;
      if (known.length >= MAX_ACCOUNTS) throw new AppError('billing.payout_account_limit', { limit: MAX_ACCOUNTS });
      const id = uuidv7(clock.now());
      const isDefault = known.every((row) => !row.isDefault);
      await rows.insertAccount(tx, { accountId: id, creatorId, userId, provider: provider.name, country, isDefault });
      return id;
    });
    return this.link(userId, accountId);
  }

  /** A link to the provider's questions; asks for the account there first if that broke off before. */
  async link(userId: string, accountId: string): Promise<Onboarding> {
    const { db, provider, returnUrl } = this.#parts;
    const account = await db.asService((tx) => this.#own(tx, userId, accountId));
    if (account.provider !== provider.name) throw new AppError('billing.payout_account_not_found');
    const { country } = account;
    const providerAccountId = account.providerAccountId ?? (await this.#create(accountId, country));
    const url = returnUrl();
    const link = await reach(() => provider.onboardingLink({ providerAccountId, returnUrl: url, refreshUrl: url }));
    return { accountId, url: link.url, expiresAt: new Date(link.expiresAtMs).toISOString() };
  }

  async setDefault(userId: string, accountId: string): Promise<void> {
    await this.#parts.db.asService(async (tx) => {
      const { creatorId } = await this.#creator(tx, userId);
      await lockSource(tx, 'creator', creatorId);
      await this.#own(tx, userId, accountId);
      await rows.setDefault(tx, creatorId, accountId);
    });
  }

  /**
   * Another account becomes the default if this was it.
   * @throws AppError `billing.payout_state` while a transfer to it is on its way.
   */
  async remove(userId: string, accountId: string): Promise<void> {
    await this.#parts.db.asService(async (tx) => {
      const { creatorId } = await this.#creator(tx, userId);
      await lockSource(tx, 'creator', creatorId);
      const account = await this.#own(tx, userId, accountId);
      // Waits for a transfer that is just taking it; only then it is seen.
      await rows.deleteAccount(tx, accountId);
      if ((await rows.countRunningTransfers(tx, accountId)) > 0)
        throw new AppError('billing.payout_state', { status: 'transferring' });
      if (!account.isDefault) return;
      const [next] = await rows.listAccounts(tx, creatorId);
      if (next !== undefined) await rows.setDefault(tx, creatorId, next.accountId);
    });
  }

  /** Asks the provider about all accounts of a creator, now. */
  async refresh(userId: string): Promise<PayoutAccount[]> {
    const found = await this.#parts.db.asService(async (tx) => {
      const { creatorId } = await this.#creator(tx, userId);
      return rows.listAccounts(tx, creatorId);
    });
    for (const { providerAccountId, provider } of found)
      if (providerAccountId !== null && provider === this.#parts.provider.name)
        await reach(() => this.changed(providerAccountId));
    return this.list(userId);
  }

  /** The provider has told something about an account: reads it and stores its state. */
  async changed(providerAccountId: string): Promise<void> {
    const { db, provider, clock } = this.#parts;
    const seenAtMs = clock.now();
    const facts = (await provider.readAccount(providerAccountId)) ?? gone;
    await db.asService(async (tx) => {
      const account = await rows.findByProviderId(tx, provider.name, providerAccountId);
      if (account === undefined) return;
      const { bankLabel, ...state } = facts;
      const bankLabelEnc = bankLabel === null ? null : await this.#seal(tx, account, bankLabel);
      await rows.updateProviderState(tx, account.accountId, { ...state, bankLabelEnc, seenAtMs });
    });
  }

  async #create(accountId: string, country: string): Promise<string> {
    const { db, provider } = this.#parts;
    const { providerAccountId } = await reach(() => provider.createAccount({ payoutAccountId: accountId, country }));
    await db.asService((tx) => rows.setProviderId(tx, accountId, providerAccountId));
    return providerAccountId;
  }

  async #creator(tx: Tx, userId: string): Promise<Creator> {
    const creator = await this.#parts.creators.find(tx, userId);
    if (creator === undefined) throw new AppError('billing.not_a_creator');
    return creator;
  }

  async #own(tx: Tx, userId: string, accountId: string): Promise<rows.PayoutAccountRow> {
    const account = await rows.findAccount(tx, accountId);
    if (account === undefined || account.userId !== userId || account.deletedAtMs !== null)
      throw new AppError('billing.payout_account_not_found');
    return account;
  }

  async #show(tx: Tx, row: rows.PayoutAccountRow): Promise<PayoutAccount> {
    const { accountId, country, isDefault, payoutsEnabled, detailsSubmitted, requirementsDue, bankFailureCode } = row;
    const bankLabel = row.bankLabelEnc && (await this.#parts.cells.decrypt(tx, cellOf(row), row.bankLabelEnc));
    const state = payoutsEnabled ? 'ready' : detailsSubmitted ? 'waiting' : 'incomplete';
    const createdAt = new Date(row.createdAtMs).toISOString();
    return { accountId, country, isDefault, state, requirementsDue, bankFailureCode, bankLabel, createdAt };
  }

  /** Null for who is erased: his key is gone, and with it whatever was known of his bank. */
  async #seal(tx: Tx, row: rows.PayoutAccountRow, text: string): Promise<Buffer | null> {
    try {
      return await this.#parts.cells.encrypt(tx, row.userId, cellOf(row), text.slice(0, 100));
    } catch (error) {
      if (error instanceof NoDataKeyError) return null;
      throw error;
    }
  }
}

const cellOf = ({ accountId }: rows.PayoutAccountRow) => ({
  table: 'billing.payout_accounts',
  column: 'bank_label_enc',
  rowId: accountId,
});

/** An account that the provider does not have any more. */
const gone: AccountFacts = {
  detailsSubmitted: false,
  payoutsEnabled: false,
  requirementsDue: 0,
  disabledReason: 'account_gone',
  bankLabel: null,
};

/** @throws AppError `billing.provider_rejected`, `billing.provider_unavailable`. */
async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await reachProvider(work);
  } catch (error) {
    if (error instanceof TransferRefused) throw new AppError('billing.provider_rejected', { reason: error.code });
    throw error;
  }
}
