/** Connect of the local Stripe server: accounts of creators, their onboarding, transfers to them and back. */
import type { Params } from './form.ts';
import type { Account, AccountLink, BankPayout, Transfer, TransferReversal } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';
import type { Webhooks } from './webhooks.ts';

const LINK_LIFE_S = 300;

export class OfflineConnect {
  readonly #store: OfflineStore;
  readonly #webhooks: Webhooks;
  readonly #pageUrl: () => string;

  constructor(store: OfflineStore, webhooks: Webhooks, pageUrl: () => string) {
    this.#store = store;
    this.#webhooks = webhooks;
    this.#pageUrl = pageUrl;
  }

  createAccount(params: Params): Account {
    const type = params.text('type') ?? 'express';
    if (type !== 'express' && type !== 'standard' && type !== 'custom')
      throw new OfflineError(400, 'parameter_invalid_string', `Invalid type: ${type}`, 'type');
    const base = this.#store.base('account');
    return this.#store.add({
      ...base,
      type,
      country: params.text('country') ?? 'JP',
      email: params.text('email') ?? null,
      metadata: params.map('metadata'),
      charges_enabled: false,
      payouts_enabled: false,
      details_submitted: false,
      requirements: { currently_due: ['external_account'], disabled_reason: 'requirements.past_due' },
      external_accounts: {
        object: 'list',
        data: [],
        has_more: false,
        url: `/v1/accounts/${base.id}/external_accounts`,
      },
    });
  }

  createLink(params: Params): AccountLink {
    const account = this.#store.get('account', params.getText('account')).id;
    const base = this.#store.base('account_link');
    return this.#store.add({
      ...base,
      account,
      url: `${this.#pageUrl()}/connect/${base.id}`,
      expires_at: base.created + LINK_LIFE_S,
      return_url: params.getText('return_url'),
    });
  }

  /** The button of the onboarding page. */
  finishOnboarding(linkId: string): AccountLink {
    const link = this.#store.get('account_link', linkId);
    this.setPayoutsEnabled(link.account, true);
    return link;
  }

  setPayoutsEnabled(accountId: string, enabled: boolean): Account {
    const account = this.#store.get('account', accountId);
    account.details_submitted = true;
    account.payouts_enabled = enabled;
    account.charges_enabled = enabled;
    account.requirements = enabled
      ? { currently_due: [], disabled_reason: null }
      : { currently_due: ['external_account'], disabled_reason: 'requirements.past_due' };
    const { country, external_accounts: banks } = account;
    if (enabled && banks.data.length === 0)
      banks.data.push({
        id: `ba_${accountId}`,
        object: 'bank_account',
        bank_name: 'OFFLINE TEST BANK',
        last4: '6789',
        country,
      });
    this.#store.changed();
    this.#webhooks.emit('account.updated', account, { account: account.id });
    return account;
  }

  /** The account's money goes to its bank, which may refuse it. */
  payBank(accountId: string, amount: number, currency: string, failureCode: string | null = null): BankPayout {
    const account = this.#store.get('account', accountId).id;
    const payout = this.#store.add({
      ...this.#store.base('payout'),
      ...{ amount, currency, offline: { account } },
      status: failureCode === null ? 'paid' : 'failed',
      failure_code: failureCode,
    } satisfies BankPayout);
    this.#webhooks.emit(`payout.${payout.status}`, payout, { account });
    return payout;
  }

  transfer(params: Params): Transfer {
    const amount = params.getInteger('amount');
    if (amount < 1) throw new OfflineError(400, 'parameter_invalid_integer', 'Invalid positive integer', 'amount');
    const destination = this.#store.get('account', params.getText('destination'));
    if (!destination.payouts_enabled)
      throw new OfflineError(
        400,
        'insufficient_capabilities_for_transfer',
        'Your destination account needs to have at least one of the following capabilities enabled: transfers.',
      );
    const base = this.#store.base('transfer');
    const transfer = this.#store.add({
      ...base,
      amount,
      amount_reversed: 0,
      reversed: false,
      currency: params.getText('currency').toLowerCase(),
      destination: destination.id,
      description: params.text('description') ?? null,
      transfer_group: params.text('transfer_group') ?? null,
      metadata: params.map('metadata'),
      reversals: { object: 'list', data: [], has_more: false, url: `/v1/transfers/${base.id}/reversals` },
    });
    this.#webhooks.emit('transfer.created', transfer);
    return transfer;
  }

  reverse(transferId: string, params: Params): TransferReversal {
    const transfer = this.#store.get('transfer', transferId);
    const left = transfer.amount - transfer.amount_reversed;
    const amount = params.integer('amount') ?? left;
    if (amount < 1 || amount > left)
      throw new OfflineError(
        400,
        'amount_too_large',
        `Reversal amount is greater than what is left (${left}).`,
        'amount',
      );
    const { currency, id } = transfer;
    const metadata = params.map('metadata');
    const reversal = this.#store.add({
      ...this.#store.base('transfer_reversal'),
      amount,
      currency,
      transfer: id,
      metadata,
    });
    transfer.amount_reversed += amount;
    transfer.reversed = transfer.amount_reversed === transfer.amount;
    transfer.reversals.data.unshift(reversal);
    this.#store.changed();
    this.#webhooks.emit('transfer.reversed', transfer);
    return reversal;
  }
}
