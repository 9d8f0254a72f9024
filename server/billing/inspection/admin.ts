/** Looking things up in the ledger, in the operators' interface. */
import { type AccountRow, listAccounts, listLedgerEntries } from '../../../db/billing/inspection.ts';
import type { Database } from '../../../db/client.ts';
import { type AdminCall, adminReply as ok } from '../../admin-call.ts';
import { pageOf, uuidOf } from '../../admin-query.ts';
import { type LedgerAccount, LedgerAccountPage, LedgerRowPage } from './admin-shapes.ts';

export function inspectionCalls(db: Database): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/ledger/accounts',
      action: 'ledger.accounts',
      says: 'Accounts of the ledger with balance, month and what is held; `userId` or `accountId` finds one, `before` and `limit` page.',
      reply: LedgerAccountPage,
      query: ['userId', 'accountId', 'before', 'limit'],
      async run({ query }, _, admin) {
        const { limit } = pageOf(query);
        const wish = { ...uuidsOf(query, ['userId', 'accountId', 'before']), limit };
        const rows = await db.asAdmin(admin.userId, (tx) => listAccounts(tx, wish));
        const nextBefore = rows.length < limit ? null : (rows.at(-1)?.accountId ?? null);
        return ok({ accounts: rows.map(toAccount), nextBefore } satisfies LedgerAccountPage);
      },
    },
    {
      method: 'GET',
      path: '/admin/ledger/entries',
      action: 'ledger.entries',
      says: 'Entries of the ledger, newest first; `accountId`, `entryId` or `generationId` choose, `before` and `limit` page.',
      reply: LedgerRowPage,
      query: ['accountId', 'entryId', 'generationId', 'before', 'limit'],
      async run({ query }, _, admin) {
        const { limit } = pageOf(query);
        const wish = { ...uuidsOf(query, ['accountId', 'entryId', 'generationId', 'before']), limit };
        const rows = await db.asAdmin(admin.userId, (tx) => listLedgerEntries(tx, wish));
        const entries = rows.map(({ createdAtMs, ...row }) => ({
          ...row,
          createdAt: new Date(createdAtMs).toISOString(),
        }));
        const nextBefore = rows.length < limit ? null : (rows.at(-1)?.entryId ?? null);
        return ok({ entries, nextBefore } satisfies LedgerRowPage);
      },
    },
  ];
}

function uuidsOf<Name extends string>(query: URLSearchParams, names: readonly Name[]): { [N in Name]?: string } {
  const found: { [N in Name]?: string } = {};
  for (const name of names) {
    const value = uuidOf(query, name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function toAccount(row: AccountRow): LedgerAccount {
  const { accountId, userId, tokens, addonTokens, holds, pendingEntries } = row;
  const { periodStartMs, periodEndMs, capTokens, usedTokens, heldTokens, heldAddonTokens } = row;
  const period =
    periodStartMs === null || periodEndMs === null
      ? null
      : {
          start: new Date(periodStartMs).toISOString(),
          end: new Date(periodEndMs).toISOString(),
          capTokens,
          usedTokens,
          heldTokens,
          heldAddonTokens,
        };
  return { accountId, userId, tokens, addonTokens, period, holds, pendingEntries };
}
