/** What operators send and get about plans; the page takes its types from here. */
import Type, { type Static } from 'typebox';
import { Nullable, Worded } from '../../../protocol/primitives.ts';

const Name = Type.String({ minLength: 1, maxLength: 80, pattern: Worded });
const Tokens = Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 });
const terms = {
  name: Type.Object({ en: Name, ja: Name }),
  avatarLimit: Type.Integer({ minimum: 0, maximum: 100_000 }),
  monthlyTokenLimit: Nullable(Tokens),
  monthlyTokens: Tokens,
  amountMinor: Type.Integer({ minimum: 0, maximum: 99_999_999, description: 'In the smallest unit of the currency.' }),
  currency: Type.String({ pattern: '^[a-z]{3}$', description: 'ISO 4217, lower case.' }),
  interval: Type.Union([Type.Literal('month'), Type.Literal('year')]),
};
const state = { active: Type.Boolean(), sort: Type.Integer({ minimum: -1_000_000, maximum: 1_000_000 }) };
const planId = Type.String({ pattern: '^[a-z0-9_]{1,40}$' });
export const PlanRecord = Type.Object({ planId, ...terms, ...state });
export type PlanRecord = Static<typeof PlanRecord>;
export const PlanList = Type.Object({ plans: Type.Array(PlanRecord) });
export const CreateBody = Type.Object({
  planId,
  ...terms,
  active: Type.Optional(state.active),
  sort: Type.Optional(state.sort),
});
export const ChangeBody = Type.Partial(Type.Object({ ...terms, ...state }));
export type ChangeBody = Static<typeof ChangeBody>;
export type PlanList = Static<typeof PlanList>;
export type CreateBody = Static<typeof CreateBody>;
