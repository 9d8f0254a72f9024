/** What operators see of accounts and entries; the page takes its types from here. Pseudonyms and amounts, nothing about persons. */
import Type, { type Static } from 'typebox';
import { Hash, Nullable, Timestamp, Uuid } from '../../../protocol/primitives.ts';

const Tokens = Type.Integer();

export const LedgerAccount = Type.Object({
  accountId: Uuid,
  userId: Nullable(Uuid),
  tokens: Tokens,
  addonTokens: Tokens,
  period: Nullable(
    Type.Object({
      start: Timestamp,
      end: Timestamp,
      capTokens: Nullable(Tokens),
      usedTokens: Tokens,
      heldTokens: Tokens,
      heldAddonTokens: Tokens,
    }),
  ),
  holds: Type.Integer({ description: 'Answers under way that tokens are set aside for.' }),
  pendingEntries: Type.Integer({ description: 'Decided and not yet in the chain.' }),
});
export type LedgerAccount = Static<typeof LedgerAccount>;
export const LedgerAccountPage = Type.Object({ accounts: Type.Array(LedgerAccount), nextBefore: Nullable(Uuid) });
export type LedgerAccountPage = Static<typeof LedgerAccountPage>;

export const LedgerRow = Type.Object({
  entryId: Uuid,
  shard: Type.Integer(),
  seq: Type.Integer(),
  hash: Hash,
  fromAccount: Uuid,
  toAccount: Uuid,
  asset: Type.String(),
  tokenAmount: Tokens,
  purpose: Type.String(),
  generationId: Nullable(Uuid),
  reversesId: Nullable(Uuid),
  reversedBy: Nullable(Uuid),
  createdAt: Timestamp,
});
export type LedgerRow = Static<typeof LedgerRow>;
export const LedgerRowPage = Type.Object({ entries: Type.Array(LedgerRow), nextBefore: Nullable(Uuid) });
export type LedgerRowPage = Static<typeof LedgerRowPage>;
