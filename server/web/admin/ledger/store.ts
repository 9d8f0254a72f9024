/** The ledger as operators look at it: accounts, entries, corrections, and whether everything agrees. */
import { signal } from '@preact/signals';
import { isUuidInAnyCase } from '../../../../protocol/uuid.ts';
import type {
  LedgerAccount,
  LedgerAccountPage,
  LedgerRow,
  LedgerRowPage,
} from '../../../billing/inspection/admin-shapes.ts';
import type { ReconciliationReport } from '../../../billing/reconciliation/admin-shapes.ts';
import type { RequestReversal, Reversal, ReversalPage } from '../../../billing/reversals/admin-shapes.ts';
import type { UserPage } from '../../../ops/admin-shapes.ts';
import { onSignedOut, requestAsAccount } from '../../session/store.ts';
import { Loaded } from '../../ui/loadable.ts';
import { Paged } from '../../ui/paged.ts';

/** What is looked at: one account, or everything. */
export const chosen = signal<LedgerAccount | undefined>(undefined);
export const limitTokens = signal<number | undefined>(undefined);
/** What the entries are searched for beside the account. */
const entryQuery = signal('');

export const accounts = new Paged<LedgerAccount>((before) => fetchAccounts({ limit: '10', ...(before && { before }) }));
export const entries = new Paged<LedgerRow>(async (before) => {
  const query = new URLSearchParams(entryQuery.value);
  if (chosen.value !== undefined) query.set('accountId', chosen.value.accountId);
  if (before !== undefined) query.set('before', before);
  query.set('limit', '20');
  const page = await requestAsAccount<LedgerRowPage>('GET', `/admin/ledger/entries?${query}`);
  return { items: page.entries, nextBefore: page.nextBefore };
});
export const reversals = new Paged<Reversal>(async (before) => {
  const query = before === undefined ? '' : `&before=${before}`;
  const page = await requestAsAccount<ReversalPage>('GET', `/admin/ledger/reversals?limit=10${query}`);
  limitTokens.value = page.limitTokens;
  return { items: page.reversals, nextBefore: page.nextBefore };
});
export const report = new Loaded<ReconciliationReport>(() => requestAsAccount('GET', '/admin/reconciliation'));

onSignedOut(() => {
  for (const each of [accounts, entries, reversals, report]) each.reset();
  chosen.value = undefined;
  entryQuery.value = '';
});

async function fetchAccounts(wish: Readonly<Record<string, string>>) {
  const query = new URLSearchParams(wish);
  const page = await requestAsAccount<LedgerAccountPage>('GET', `/admin/ledger/accounts?${query}`);
  return { items: page.accounts, nextBefore: page.nextBefore };
}

export async function loadLedger(): Promise<void> {
  await Promise.all([accounts.load(), entries.load(), reversals.load()]);
}

export async function choose(account: LedgerAccount | undefined): Promise<void> {
  chosen.value = account;
  entryQuery.value = '';
  await entries.load();
}

/** Finds by mail address, or by the id of a user, an account, an entry or an answer. Nothing: everything again. */
export async function find(text: string): Promise<void> {
  const wanted = text.trim();
  if (wanted === '') {
    chosen.value = undefined;
    entryQuery.value = '';
    return loadLedger();
  }
  if (!isUuidInAnyCase(wanted)) {
    const { users } = await requestAsAccount<UserPage>('POST', '/admin/users/search', { email: wanted });
    return showAccounts(users[0] === undefined ? [] : (await fetchAccounts({ userId: users[0].userId })).items);
  }
  const found = [await fetchAccounts({ userId: wanted }), await fetchAccounts({ accountId: wanted })].flatMap(
    ({ items }) => items,
  );
  if (found.length > 0) return showAccounts(found);
  chosen.value = undefined;
  for (const name of ['entryId', 'generationId']) {
    entryQuery.value = `${name}=${wanted}`;
    await entries.load();
    if ((entries.value?.items.length ?? 0) > 0) break;
  }
  accounts.set({ items: [], nextBefore: null });
}

async function showAccounts(found: readonly LedgerAccount[]): Promise<void> {
  accounts.set({ items: found, nextBefore: null });
  if (found.length === 0) entries.set({ items: [], nextBefore: null });
  else await choose(found[0]);
}

export async function requestReversal(wish: RequestReversal): Promise<Reversal> {
  const reversal = await requestAsAccount<Reversal>('POST', '/admin/ledger/reversals', wish);
  await loadLedger();
  return reversal;
}

export async function decideReversal(reversalId: string, how: 'approve' | 'decline'): Promise<void> {
  await requestAsAccount('POST', `/admin/ledger/reversals/${encodeURIComponent(reversalId)}/${how}`);
  await loadLedger();
}
