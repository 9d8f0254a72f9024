/** What operators are shown of purchases; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Purchase } from '../../../protocol/billing-purchases.ts';
import { Nullable, Timestamp, Uuid, Worded } from '../../../protocol/primitives.ts';

export const PurchaseRecord = Type.Object({
  ...Purchase.properties,
  userId: Uuid,
  provider: Type.String(),
  paymentId: Type.String({ description: 'The provider’s id of the payment.' }),
  dispute: Type.String(),
  refundedAt: Nullable(Timestamp),
});
export type PurchaseRecord = Static<typeof PurchaseRecord>;
export const PurchasePage = Type.Object({ purchases: Type.Array(PurchaseRecord), nextBefore: Nullable(Uuid) });
export type PurchasePage = Static<typeof PurchasePage>;

export const RefundBody = Type.Object({
  amountMinor: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 99_999_999_999,
      description: 'In the smallest unit; what is left when missing.',
    }),
  ),
  reason: Type.String({ minLength: 3, maxLength: 500, pattern: Worded }),
  requestKey: Type.String({ pattern: '^[A-Za-z0-9_-]{8,64}$', description: 'The same key never refunds twice.' }),
});
export type RefundBody = Static<typeof RefundBody>;
export const RefundRecord = Type.Object({
  refundId: Uuid,
  purchaseId: Uuid,
  amountMinor: Type.Integer(),
  currency: Type.String(),
  status: Type.String({ description: '`requested`: the provider has not answered yet and is asked again.' }),
  errorCode: Nullable(Type.String()),
});
export type RefundRecord = Static<typeof RefundRecord>;

export const PurchaseCheck = Type.Object({
  overdue: Type.Object({
    events: Type.Integer({ description: 'Events of the provider that wait for more than five minutes.' }),
    oldestEventAt: Nullable(Timestamp),
    refunds: Type.Integer({ description: 'Refunds that have not reached the provider for so long.' }),
  }),
  purchases: Type.Array(Type.Object({ purchaseId: Uuid, problem: Type.String() })),
  tickets: Type.Array(
    Type.Object({ userId: Uuid, stored: Nullable(Type.Integer()), transactions: Nullable(Type.Integer()) }),
  ),
});
export type PurchaseCheck = Static<typeof PurchaseCheck>;
