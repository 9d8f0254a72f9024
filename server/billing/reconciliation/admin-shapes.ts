/** The reconciliation report; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Timestamp } from '../../../protocol/primitives.ts';

export const CheckResult = Type.Object({
  name: Type.Union([
    Type.Literal('zero_sums'),
    Type.Literal('balances'),
    Type.Literal('held'),
    Type.Literal('used'),
    Type.Literal('holds'),
    Type.Literal('pending'),
    Type.Literal('reversals'),
    Type.Literal('payouts'),
    Type.Literal('tickets'),
    Type.Literal('purchases'),
  ]),
  differences: Type.Array(Type.Object({ subject: Type.String(), expected: Type.String(), found: Type.String() }), {
    description: 'Empty when all is well.',
  }),
  more: Type.Boolean({ description: 'There are more than are shown.' }),
});
export type CheckResult = Static<typeof CheckResult>;

export const ReconciliationReport = Type.Object({ at: Timestamp, ok: Type.Boolean(), checks: Type.Array(CheckResult) });
export type ReconciliationReport = Static<typeof ReconciliationReport>;
