/** What operators send and get about payouts; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Payout } from '../../../protocol/billing-payouts.ts';
import { Nullable, Timestamp, Uuid, Worded } from '../../../protocol/primitives.ts';

const Month = Type.String({ pattern: '^[12][0-9]{3}-(0[1-9]|1[0-2])$', description: 'E.g. `2026-10`.' });
const Minor = Type.Integer();

export const RunMonth = Type.Object({
  month: Month,
  dryRun: Type.Boolean({ description: 'True: only says what would be made.' }),
});
export type RunMonth = Static<typeof RunMonth>;
export const Run = Type.Object({
  runId: Uuid,
  month: Type.String(),
  timeZone: Type.String(),
  periodStart: Timestamp,
  periodEnd: Timestamp,
  startedBy: Nullable(Uuid),
  startedAt: Timestamp,
  finishedAt: Nullable(Timestamp),
});
export type Run = Static<typeof Run>;
export const Planned = Type.Object({
  creatorId: Uuid,
  currency: Type.String(),
  status: Type.String(),
  openingMinor: Minor,
  grossMinor: Minor,
  refundsMinor: Minor,
  platformMinor: Minor,
  shareMinor: Minor,
  clawbackMinor: Minor,
  returnedMinor: Minor,
  feeMinor: Minor,
  amountMinor: Minor,
  closingMinor: Minor,
});
export const RunReply = Type.Object({
  run: Nullable(Run),
  made: Type.Integer(),
  planned: Type.Array(Planned),
});
export type RunReply = Static<typeof RunReply>;
export const RunPage = Type.Object({ runs: Type.Array(Run) });
export type RunPage = Static<typeof RunPage>;

export const AdminPayout = Type.Object({
  ...Payout.properties,
  creatorId: Uuid,
  runId: Uuid,
  payoutAccountId: Nullable(Uuid),
  providerTransferId: Nullable(Type.String()),
  failureCode: Nullable(Type.String()),
  waitsFor: Nullable(
    Type.String({
      description: 'Why an approved payout does not go: `no_account`, `account_not_ready`, `creator_suspended`.',
    }),
  ),
});
export type AdminPayout = Static<typeof AdminPayout>;
export const PayoutPage = Type.Object({ payouts: Type.Array(AdminPayout), nextBefore: Nullable(Uuid) });
export type PayoutPage = Static<typeof PayoutPage>;
/** How many transfers were made. */
export const Sent = Type.Object({ paid: Type.Integer({ minimum: 0 }) });

export const PayoutEvent = Type.Object({
  at: Timestamp,
  fromStatus: Nullable(Type.String()),
  toStatus: Type.String(),
  actorType: Type.String(),
  actorId: Nullable(Uuid),
  reason: Nullable(Type.String()),
  code: Nullable(Type.String()),
});
export const PayoutDetail = Type.Object({ payout: AdminPayout, events: Type.Array(PayoutEvent) });
export type PayoutDetail = Static<typeof PayoutDetail>;

export const Reason = Type.Object({ reason: Type.String({ minLength: 3, maxLength: 500, pattern: Worded }) });
export type Reason = Static<typeof Reason>;
export const SetShare = Type.Object({
  shareBps: Nullable(Type.Integer({ minimum: 0, maximum: 10_000, description: 'Null: the server’s again.' })),
  effectiveFrom: Timestamp,
});
export type SetShare = Static<typeof SetShare>;
export const CreatorDetail = Type.Object({
  creatorId: Uuid,
  userId: Uuid,
  status: Type.String(),
  displayName: Type.String(),
  since: Timestamp,
  shares: Type.Array(
    Type.Object({ shareBps: Nullable(Type.Integer()), effectiveFrom: Timestamp, setBy: Nullable(Uuid) }),
  ),
});
export type CreatorDetail = Static<typeof CreatorDetail>;

export const Reconciliation = Type.Object({
  ok: Type.Boolean(),
  faults: Type.Array(
    Type.Object({ what: Type.String(), id: Type.String(), expected: Type.String(), found: Type.String() }),
  ),
  totals: Type.Array(
    Type.Object({
      currency: Type.String(),
      grossMinor: Minor,
      platformMinor: Minor,
      creatorMinor: Minor,
      openMinor: Minor,
      carriedMinor: Minor,
      payoutMinor: Minor,
      feeMinor: Minor,
      returnedMinor: Minor,
    }),
  ),
});
export type Reconciliation = Static<typeof Reconciliation>;
