/** Settings: how creators are paid. */
import { amounts, flag, integer, oneOf, timeZone } from '../setting.ts';

export const payouts = {
  payoutShareBps: integer(
    'PAYOUT_SHARE_BPS',
    { min: 0, max: 10_000 },
    {
      default: 7000,
      says: 'A creator’s part of a sale, in hundredths of a percent, where nothing else was agreed with him.',
    },
  ),
  payoutHoldingDays: integer(
    'PAYOUT_HOLDING_DAYS',
    { min: 0, max: 365 },
    { default: 14, says: 'How long a sale waits for refunds before it may be paid to its creator.' },
  ),
  payoutMinimum: amounts('PAYOUT_MINIMUM', {
    default: { JPY: 1000, USD: 1000, EUR: 1000 },
    says: 'What a payout must come to by currency, in its smallest unit; less is carried to the next month.',
    example: 'JPY:3000,USD:2500',
  }),
  payoutFee: amounts('PAYOUT_FEE', {
    default: {},
    defaultText: 'none',
    says: 'What is taken from each payout for its transfer by currency, in its smallest unit.',
    example: 'JPY:250',
  }),
  payoutTimeZone: timeZone('PAYOUT_TIME_ZONE', {
    default: 'Asia/Tokyo',
    says: 'Where the months of payouts begin and end.',
  }),
  payoutRunDay: integer(
    'PAYOUT_RUN_DAY',
    { min: 0, max: 28 },
    {
      default: 5,
      says: 'Day of the next month from which on the server runs a month’s payouts; 0: only operators do.',
    },
  ),
  payoutNeedsApproval: flag('PAYOUT_NEEDS_APPROVAL', {
    default: true,
    says: 'Payouts wait for an operator’s approval before they are transferred.',
  }),
  payoutTokenRateMicro: integer(
    'PAYOUT_TOKEN_RATE_MICRO',
    { min: 0, max: 1_000_000_000 },
    {
      default: 0,
      says: 'Money for a token that an avatar’s owner earned, in millionths of the currency’s smallest unit; 0 leaves tokens tokens.',
    },
  ),
  payoutTokenCurrency: oneOf('PAYOUT_TOKEN_CURRENCY', ['JPY', 'USD', 'EUR'], {
    default: 'JPY',
    says: 'Currency that earned tokens are turned into.',
  }),
} as const;
