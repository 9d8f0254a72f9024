/**
 * `PayoutProvider` by Stripe Connect: express accounts, whose questions Stripe asks itself, and transfers to them. Reads states, never
 * trusts events; what it makes carries our ids as metadata and idempotency keys.
 */
import type Stripe from 'stripe';
import {
  type AccountFacts,
  type PayoutProvider,
  type ProviderName,
  type TransferFacts,
  type TransferOrder,
  TransferRefused,
} from '../payouts/provider.ts';
import type { PayoutService } from '../payouts/service.ts';
import { ProviderError } from '../purchases/gateway.ts';
import { ask, askFor } from './client.ts';
import type { StripeParts } from './open-money.ts';

const meta = { account: 'tsumugi_payout_account', payout: 'tsumugi_payout' } as const;
const groupOf = (payoutId: string) => `tsumugi_payout_${payoutId}`;
/** The key was used by another request, or by one that is still running: what became of it is not known. */
const keyTaken: readonly string[] = ['StripeIdempotencyError', 'idempotency_error', 'idempotency_key_in_use'];

export class StripePayoutProvider implements PayoutProvider {
  readonly name: ProviderName;
  readonly #stripe: Stripe;

  constructor(stripe: Stripe, name: ProviderName) {
    this.#stripe = stripe;
    this.name = name;
  }

  async createAccount({ payoutAccountId, country }: { payoutAccountId: string; country: string }) {
    const account = await refusing(
      this.#stripe.accounts.create(
        {
          type: 'express',
          country,
          capabilities: { transfers: { requested: true } },
          metadata: { [meta.account]: payoutAccountId },
        },
        { idempotencyKey: `payout-account:${payoutAccountId}` },
      ),
    );
    return { providerAccountId: account.id };
  }

  async onboardingLink(of: { providerAccountId: string; returnUrl: string; refreshUrl: string }) {
    const link = await refusing(
      this.#stripe.accountLinks.create({
        account: of.providerAccountId,
        refresh_url: of.refreshUrl,
        return_url: of.returnUrl,
        type: 'account_onboarding',
      }),
    );
    return { url: link.url, expiresAtMs: link.expires_at * 1000 };
  }

  async readAccount(providerAccountId: string): Promise<AccountFacts | undefined> {
    const account = await askFor(this.#stripe.accounts.retrieve(providerAccountId));
    if (account === undefined) return undefined;
    const bank = account.external_accounts?.data.find((one) => one.object === 'bank_account');
    return {
      detailsSubmitted: account.details_submitted ?? false,
      payoutsEnabled: account.payouts_enabled ?? false,
      requirementsDue: account.requirements?.currently_due?.length ?? 0,
      disabledReason: account.requirements?.disabled_reason?.slice(0, 100) ?? null,
      bankLabel: bank === undefined ? null : `${bank.bank_name ?? ''} ••${bank.last4}`.trim(),
    };
  }

  async transfer(order: TransferOrder): Promise<{ providerTransferId: string }> {
    const { payoutId, providerAccountId: destination, amountMinor: amount, currency, month, idempotencyKey } = order;
    const transfer = await refusing(
      this.#stripe.transfers.create(
        {
          ...{ amount, destination },
          currency: currency.toLowerCase(),
          transfer_group: groupOf(payoutId),
          description: `Tsumugi ${month}`,
          metadata: { [meta.payout]: payoutId },
        },
        { idempotencyKey },
      ),
    );
    return { providerTransferId: transfer.id };
  }

  async findTransfer(payoutId: string): Promise<TransferFacts | undefined> {
    const found = await ask(this.#stripe.transfers.list({ transfer_group: groupOf(payoutId), limit: 10 }));
    return found.data.map(factsOf).find((transfer) => transfer.payoutId === payoutId);
  }

  async readTransfer(providerTransferId: string): Promise<TransferFacts | undefined> {
    const transfer = await askFor(this.#stripe.transfers.retrieve(providerTransferId));
    return transfer && factsOf(transfer);
  }

  async reverse({ payoutId, providerTransferId }: { payoutId: string; providerTransferId: string }): Promise<void> {
    await refusing(
      this.#stripe.transfers.createReversal(
        providerTransferId,
        { metadata: { [meta.payout]: payoutId } },
        { idempotencyKey: `payout-reversal:${payoutId}` },
      ),
    );
  }

  async readBankPayment(id: string, providerAccountId: string): ReturnType<PayoutProvider['readBankPayment']> {
    const payment = await askFor(this.#stripe.payouts.retrieve(id, {}, { stripeAccount: providerAccountId }));
    if (payment === undefined) return undefined;
    const status = payment.status === 'paid' || payment.status === 'failed' ? payment.status : 'other';
    return { status, failureCode: payment.failure_code };
  }
}

/** As the settings have it: Stripe, or the local server that speaks its protocol. */
export function payoutProvider({ stripe, provider, homeUrl }: Pick<StripeParts, 'stripe' | 'provider' | 'homeUrl'>) {
  return { provider: new StripePayoutProvider(stripe, provider), returnUrl: () => `${homeUrl()}?to=creator` };
}

/** News about accounts, transfers and bank payments are hints to look. */
export function hearOfPayouts(inbox: Pick<StripeParts['inbox'], 'on'>, payouts: PayoutService): void {
  inbox.on('account', (id) => payouts.accounts.changed(id));
  inbox.on('transfer', (id) => payouts.transfers.transferChanged(id));
  inbox.on('payout', (id, accountId) => payouts.transfers.bankPaymentChanged(id, accountId));
}

function factsOf(transfer: Stripe.Transfer): TransferFacts {
  const { id: providerTransferId, metadata, amount: amountMinor, amount_reversed: reversedMinor } = transfer;
  return { providerTransferId, payoutId: metadata[meta.payout] ?? null, amountMinor, reversedMinor };
}

/** @throws TransferRefused where asking again cannot help and nothing was done. */
async function refusing<T>(request: Promise<T>): Promise<T> {
  try {
    return await ask(request);
  } catch (error) {
    if (!(error instanceof ProviderError) || error.retry || keyTaken.includes(error.code)) throw error;
    throw new TransferRefused(error.code.slice(0, 100), { cause: error });
  }
}
