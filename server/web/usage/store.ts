/** Balance, usage by day and the ledger's entries of the account. */
import type { LedgerEntry } from '../../../protocol/billing.ts';
import type { UpReply } from '../../../protocol/up.ts';
import { client, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';

export type LedgerPage = Readonly<{ entries: readonly LedgerEntry[]; nextBefore: string | null }>;

export const shownDays = 30;
const pageSize = 25;

export const usage = new Loaded<UpReply<'billing.usage'>>(() => client().request('billing.usage', { days: shownDays }));
export const ledger = new Loaded<LedgerPage>(() => client().request('billing.ledger', { limit: pageSize }));
onSignedOut(() => {
  usage.reset();
  ledger.reset();
});

export async function loadMoreEntries(): Promise<void> {
  const shown = ledger.value;
  if (shown === undefined || shown.nextBefore === null) return;
  const page = await client().request('billing.ledger', { limit: pageSize, before: shown.nextBefore });
  ledger.set({ entries: [...shown.entries, ...page.entries], nextBefore: page.nextBefore });
}
