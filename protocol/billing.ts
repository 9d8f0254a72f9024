/** Frames of the domain billing: usage, balance and the entries of the token ledger. */
import Type, { type Static } from 'typebox';
import { defineDown, defineUp } from './define.ts';
import { Empty, Hash, Nullable, PageLimit, Timestamp, Uuid } from './primitives.ts';

export const UsageDay = Type.Object({
  day: Type.String({ format: 'date', description: 'Calendar day in UTC.' }),
  tokensIn: Type.Integer(),
  tokensOut: Type.Integer(),
  conversations: Type.Integer(),
});
export type UsageDay = Static<typeof UsageDay>;

export const LedgerEntry = Type.Object({
  shard: Type.Integer(),
  seq: Type.Integer(),
  hash: Hash,
  prevHash: Hash,
  asset: Type.Union([Type.Literal('token'), Type.Literal('addon_token')], { description: 'Given, or bought.' }),
  direction: Type.Union([Type.Literal('in'), Type.Literal('out')]),
  tokenAmount: Type.Integer({ description: 'Tokens, always positive; `direction` says which way.' }),
  purpose: Type.String(),
  status: Type.String(),
  conversationId: Nullable(Uuid),
  messageId: Nullable(Uuid),
  createdAt: Timestamp,
});
export type LedgerEntry = Static<typeof LedgerEntry>;

export const balance = defineUp('billing.balance', {
  says: 'The balance of the account, in tokens.',
  body: Empty,
  reply: Type.Object({ balance: Type.Integer() }),
  errors: [],
});

const Tokens = Type.Integer({ description: 'Tokens.' });

export const spending = defineUp('billing.spending', {
  says: 'What the account may spend: what it was given, what it bought, and how much of its month is used.',
  body: Empty,
  reply: Type.Object({
    tokens: Type.Integer({
      description: 'Given, by sign-up and plan; spending them counts against the month. What is held is part of it.',
    }),
    boughtTokens: Type.Integer({ description: 'Bought; no month limits them.' }),
    heldTokens: Type.Integer({ description: 'Of `tokens`: set aside for answers under way.' }),
    heldBoughtTokens: Type.Integer({ description: 'Of `boughtTokens`: set aside for answers under way.' }),
    atCap: Type.Union([Type.Literal('stop'), Type.Literal('use_bought')], {
      description: 'What happens when the month is used up.',
    }),
    month: Nullable(Type.Object({ start: Timestamp, end: Timestamp, usedTokens: Tokens, capTokens: Nullable(Tokens) })),
  }),
  errors: [],
});

export const usage = defineUp('billing.usage', {
  says: 'Tokens and conversations by day, newest first; days without use are left out.',
  body: Type.Object({ days: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })) }),
  reply: Type.Object({ days: Type.Array(UsageDay), balance: Type.Integer() }),
  errors: [],
});

export const ledger = defineUp('billing.ledger', {
  says: 'Entries of the ledger that concern the account, newest first.',
  body: Type.Object({ before: Type.Optional(Type.String({ maxLength: 64 })), limit: PageLimit(100) }),
  reply: Type.Object({ entries: Type.Array(LedgerEntry), nextBefore: Nullable(Type.String()) }),
  errors: [],
});

export const balancePush = defineDown('billing.balance', {
  says: 'The balance after a settlement.',
  body: Type.Object({ balance: Type.Integer() }),
});
