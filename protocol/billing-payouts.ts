/** Frames of the domain billing about creators: what they earn, where they are paid, and their payouts. */
import Type, { type Static } from 'typebox';
import { defineUp } from './define.ts';
import { Empty, Locale, Nullable, PageLimit, Timestamp, Uuid } from './primitives.ts';

const Minor = Type.Integer({ description: 'In the smallest unit of the currency; may be below zero.' });
const Currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217, e.g. `JPY`.' });
const Month = Type.String({
  pattern: '^[0-9]{4}-[0-9]{2}$',
  description: 'Calendar month in `timeZone`, e.g. `2026-10`.',
});

export const CreatorBalance = Type.Object({
  currency: Currency,
  waitingMinor: Type.Integer({ description: 'Earned, still within the time in which sales may be refunded.' }),
  readyMinor: Type.Integer({ description: 'Earned and in the next payout, with what the last one carried on.' }),
});
export const Creator = Type.Object({
  creatorId: Uuid,
  status: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
  shareBps: Type.Integer({ description: 'Part of a sale made now that is the creator’s, in hundredths of a percent.' }),
  since: Timestamp,
  balances: Type.Array(CreatorBalance),
  canBePaid: Type.Boolean({
    description: 'False while this server is not connected to a provider that pays creators.',
  }),
});
export type Creator = Static<typeof Creator>;

export const PayoutAccount = Type.Object({
  accountId: Uuid,
  country: Type.String({ description: 'ISO 3166-1, two letters.' }),
  isDefault: Type.Boolean({ description: 'Payouts go to this one.' }),
  state: Type.Union([Type.Literal('incomplete'), Type.Literal('waiting'), Type.Literal('ready')], {
    description:
      '`incomplete`: the provider’s questions are not answered; `waiting`: it is checking; `ready`: it pays.',
  }),
  requirementsDue: Type.Integer({ description: 'Things that the provider still asks for.' }),
  bankFailureCode: Nullable(Type.String({ description: 'Why the bank refused the last payment.' })),
  bankLabel: Nullable(Type.String({ description: 'Bank and last four digits.' })),
  createdAt: Timestamp,
});
export type PayoutAccount = Static<typeof PayoutAccount>;

export const PayoutState = Type.Union(
  [
    Type.Literal('carried'),
    Type.Literal('pending'),
    Type.Literal('held'),
    Type.Literal('approved'),
    Type.Literal('transferring'),
    Type.Literal('paid'),
    Type.Literal('failed'),
    Type.Literal('reversed'),
    Type.Literal('canceled'),
  ],
  { description: '`carried`: too little to be transferred, carried to the next month.' },
);
export const Payout = Type.Object({
  payoutId: Uuid,
  month: Month,
  periodStart: Timestamp,
  periodEnd: Timestamp,
  timeZone: Type.String(),
  currency: Currency,
  openingMinor: Minor,
  grossMinor: Minor,
  refundsMinor: Minor,
  platformMinor: Minor,
  shareMinor: Minor,
  clawbackMinor: Minor,
  returnedMinor: Minor,
  feeMinor: Minor,
  amountMinor: Type.Integer({
    description: 'What is transferred: opening + share + clawback + returned − fee − closing.',
  }),
  closingMinor: Minor,
  reversedMinor: Minor,
  lineCount: Type.Integer(),
  status: PayoutState,
  paidAt: Nullable(Timestamp),
  createdAt: Timestamp,
});
export type Payout = Static<typeof Payout>;

export const PayoutLine = Type.Object({
  lineId: Uuid,
  kind: Type.String({ description: '`sale`, `refund`, `refund_undone`, `tokens` or `payout_returned`.' }),
  at: Timestamp,
  purchaseId: Nullable(Uuid),
  productType: Nullable(Type.String()),
  productId: Nullable(Type.String()),
  tokenAmount: Nullable(Type.Integer()),
  grossMinor: Minor,
  shareBps: Type.Integer(),
  creatorMinor: Minor,
  platformMinor: Minor,
});
export type PayoutLine = Static<typeof PayoutLine>;

export const creator = defineUp('billing.creator', {
  says: 'The caller as a creator: share, what is earned and not yet paid. Null for who is none.',
  body: Empty,
  reply: Type.Object({ creator: Nullable(Creator) }),
  errors: [],
});

export const becomeCreator = defineUp('billing.become_creator', {
  says: 'Makes the caller a creator; again changes nothing.',
  body: Empty,
  reply: Type.Object({ creator: Creator }),
  errors: [],
});

export const payoutAccounts = defineUp('billing.payout_accounts', {
  says: 'Where the caller is paid. With `refresh` the provider is asked first.',
  body: Type.Object({ refresh: Type.Optional(Type.Boolean()) }),
  reply: Type.Object({ accounts: Type.Array(PayoutAccount) }),
  errors: [
    'billing.not_a_creator',
    'billing.payouts_unavailable',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

const Onboarding = Type.Object({
  accountId: Uuid,
  url: Type.String({ description: 'Where the provider asks for name and bank; works once, for a few minutes.' }),
  expiresAt: Timestamp,
});

export const addPayoutAccount = defineUp('billing.add_payout_account', {
  says: 'Opens an account with the provider that pays creators; the first becomes the default.',
  body: Type.Object({ country: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1, two letters.' }) }),
  reply: Onboarding,
  errors: [
    'billing.not_a_creator',
    'billing.payout_account_limit',
    'billing.payouts_unavailable',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

const accountErrors = [
  'billing.not_a_creator',
  'billing.payout_account_not_found',
  'billing.payouts_unavailable',
] as const;

export const payoutAccountLink = defineUp('billing.payout_account_link', {
  says: 'A fresh link to the provider’s questions about an account.',
  body: Type.Object({ accountId: Uuid }),
  reply: Onboarding,
  errors: [...accountErrors, 'billing.provider_unavailable', 'billing.provider_rejected'],
});

export const setDefaultPayoutAccount = defineUp('billing.set_default_payout_account', {
  says: 'Payouts go to this account from now on.',
  body: Type.Object({ accountId: Uuid }),
  reply: Empty,
  errors: accountErrors,
});

export const removePayoutAccount = defineUp('billing.remove_payout_account', {
  says: 'Removes an account; payouts on their way to it must have arrived.',
  body: Type.Object({ accountId: Uuid }),
  reply: Empty,
  errors: [...accountErrors, 'billing.payout_state'],
});

export const payouts = defineUp('billing.payouts', {
  says: 'The caller’s payouts, latest month first.',
  body: Type.Object({ before: Type.Optional(Uuid), limit: PageLimit(100) }),
  reply: Type.Object({ payouts: Type.Array(Payout), nextBefore: Nullable(Uuid) }),
  errors: ['billing.not_a_creator'],
});

export const payoutLines = defineUp('billing.payout_lines', {
  says: 'What one payout is made of, in the order in which it happened.',
  body: Type.Object({ payoutId: Uuid, after: Type.Optional(Uuid), limit: PageLimit(200) }),
  reply: Type.Object({ lines: Type.Array(PayoutLine), nextAfter: Nullable(Uuid) }),
  errors: ['billing.payout_not_found'],
});

export const payoutStatement = defineUp('billing.payout_statement', {
  says: 'An address under this server where the statement of a payout can be fetched once, without further proof.',
  body: Type.Object({
    payoutId: Uuid,
    format: Type.Union([Type.Literal('pdf'), Type.Literal('csv')]),
    lang: Type.Optional(Locale),
  }),
  reply: Type.Object({ path: Type.String(), expiresAt: Timestamp }),
  errors: ['billing.payout_not_found'],
});
