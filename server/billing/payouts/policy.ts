/** What an operator decides about payouts, as the settings give it. */

/** Whole minor units by currency (`JPY`); a currency that is not named has `otherwise`. */
export type AmountByCurrency = Readonly<Record<string, number>>;

export type PayoutPolicy = Readonly<{
  /** A creator's part of a sale, where nothing else was agreed with him; hundredths of a percent. */
  shareBps: number;
  /** How long a sale waits for refunds before it may be paid. */
  holdingDays: number;
  /** Below it nothing is transferred; the amount is carried to the next month. */
  minimumMinor: AmountByCurrency;
  /** Taken from each transfer. */
  feeMinor: AmountByCurrency;
  /** Where months begin and end. */
  timeZone: string;
  /** Day of the next month on which the server runs a month by itself; 0: never. */
  runDay: number;
  /** True: payouts wait for an operator's approval. */
  needsApproval: boolean;
  /** Millionths of the smallest unit of `tokenCurrency` that a creator gets for a token he earned; 0: tokens stay tokens. */
  tokenRateMicro: number;
  tokenCurrency: string;
}>;

const DAY_MS = 86_400_000;
export const holdingMs = (policy: Pick<PayoutPolicy, 'holdingDays'>): number => policy.holdingDays * DAY_MS;
export const amountIn = (amounts: AmountByCurrency, currency: string): number => amounts[currency] ?? 0;

/** `jpy` → `JPY`, the one spelling of the tables. @throws Error for what is no currency code. */
export function currencyCode(given: string): string {
  const code = given.toUpperCase();
  if (!/^[A-Z]{3}$/.test(code)) throw new Error(`No currency code: ${given.slice(0, 20)}`);
  return code;
}

/** As the settings have it. */
export function policyOf(config: {
  payoutShareBps: number;
  payoutHoldingDays: number;
  payoutMinimum: AmountByCurrency;
  payoutFee: AmountByCurrency;
  payoutTimeZone: string;
  payoutRunDay: number;
  payoutNeedsApproval: boolean;
  payoutTokenRateMicro: number;
  payoutTokenCurrency: string;
}): PayoutPolicy {
  return {
    shareBps: config.payoutShareBps,
    holdingDays: config.payoutHoldingDays,
    minimumMinor: config.payoutMinimum,
    feeMinor: config.payoutFee,
    timeZone: config.payoutTimeZone,
    runDay: config.payoutRunDay,
    needsApproval: config.payoutNeedsApproval,
    tokenRateMicro: config.payoutTokenRateMicro,
    tokenCurrency: currencyCode(config.payoutTokenCurrency),
  };
}
