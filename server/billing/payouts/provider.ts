/** Whoever brings money to creators, as payouts see it. One implementation: Stripe Connect. */

export type ProviderName = 'stripe' | 'stripe_offline';

/** What the provider says of an account, now. */
export type AccountFacts = {
  detailsSubmitted: boolean;
  payoutsEnabled: boolean;
  /** Things that the provider still asks for. */
  requirementsDue: number;
  disabledReason: string | null;
  /** Bank and last four digits; the rest never reaches us. */
  bankLabel: string | null;
};
export type TransferFacts = {
  providerTransferId: string;
  /** Ours, out of the transfer's metadata. */
  payoutId: string | null;
  amountMinor: number;
  reversedMinor: number;
};
export type TransferOrder = {
  payoutId: string;
  providerAccountId: string;
  amountMinor: number;
  currency: string;
  month: string;
  /** The same for every try of one attempt. */
  idempotencyKey: string;
};

export interface PayoutProvider {
  readonly name: ProviderName;
  /** The same `payoutAccountId` gives the same account, however often it is asked. */
  createAccount(account: { payoutAccountId: string; country: string }): Promise<{ providerAccountId: string }>;
  /** Where the creator tells the provider who he is and where his bank is. Works for a few minutes. */
  onboardingLink(account: {
    providerAccountId: string;
    returnUrl: string;
    refreshUrl: string;
  }): Promise<{ url: string; expiresAtMs: number }>;
  /** Undefined when the provider has no such account (any more). */
  readAccount(providerAccountId: string): Promise<AccountFacts | undefined>;
  /** @throws TransferRefused when nothing was transferred and will not be; any other error leaves the outcome unknown. */
  transfer(order: TransferOrder): Promise<{ providerTransferId: string }>;
  /** The transfer that was made for a payout, if there is one. */
  findTransfer(payoutId: string): Promise<TransferFacts | undefined>;
  readTransfer(providerTransferId: string): Promise<TransferFacts | undefined>;
  /** Takes a transfer back in full. @throws TransferRefused when the money is gone. */
  reverse(order: { payoutId: string; providerTransferId: string }): Promise<void>;
  /** The provider's payment from an account to its bank. */
  readBankPayment(
    id: string,
    providerAccountId: string,
  ): Promise<{ status: 'paid' | 'failed' | 'other'; failureCode: string | null } | undefined>;
}

/** The provider has said no, for a reason that stands. */
export class TransferRefused extends Error {
  override readonly name = 'TransferRefused';
  /** Of the provider, a stable word. */
  readonly code: string;

  constructor(code: string, options?: ErrorOptions) {
    super(`The provider refused a transfer: ${code}.`, options);
    this.code = code;
  }
}
