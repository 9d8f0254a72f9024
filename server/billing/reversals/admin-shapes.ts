/** What operators send and get about reversals; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Nullable, Timestamp, Uuid, Worded } from '../../../protocol/primitives.ts';

export const ReasonCode = Type.Union([
  Type.Literal('duplicate'),
  Type.Literal('wrong_amount'),
  Type.Literal('outage'),
  Type.Literal('goodwill'),
  Type.Literal('misuse'),
  Type.Literal('other'),
]);
export type ReasonCode = Static<typeof ReasonCode>;

export const RequestReversal = Type.Object({
  entryId: Uuid,
  requestKey: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description:
        'Made up by the client. The same request with the same key gets the first answer again, for seven days.',
    }),
  ),
  reasonCode: ReasonCode,
  reason: Type.String({
    minLength: 3,
    maxLength: 500,
    pattern: Worded,
    description: 'In words, for whoever decides and for auditors. Nothing about persons.',
  }),
});
export type RequestReversal = Static<typeof RequestReversal>;

export const Reversal = Type.Object({
  reversalId: Uuid,
  entryId: Uuid,
  asset: Type.Union([Type.Literal('token'), Type.Literal('addon_token')]),
  tokenAmount: Type.Integer(),
  reasonCode: ReasonCode,
  reason: Type.String(),
  needsSecond: Type.Boolean({ description: 'Another operator has to agree.' }),
  state: Type.Union([Type.Literal('waiting'), Type.Literal('approved'), Type.Literal('declined')]),
  requestedBy: Uuid,
  requestedAt: Timestamp,
  decidedBy: Nullable(Uuid),
  decidedAt: Nullable(Timestamp),
  booked: Nullable(Type.Object({ shard: Type.Integer(), seq: Type.Integer() })),
});
export type Reversal = Static<typeof Reversal>;
export const ReversalPage = Type.Object({
  reversals: Type.Array(Reversal),
  nextBefore: Nullable(Uuid),
  limitTokens: Type.Integer({ description: 'What one operator may take back alone within a day.' }),
});
export type ReversalPage = Static<typeof ReversalPage>;
