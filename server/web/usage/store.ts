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

export type DayBar = Readonly<{ day: string; tokensIn: number; tokensOut: number; conversations: number }>;

/** The last `count` days up to `today` (UTC, `YYYY-MM-DD`), oldest first, with the days without use that the server leaves out. */
export function fillDays(days: readonly DayBar[], today: string, count: number): DayBar[] {
  const known = new Map(days.map((day) => [day.day, day]));
  const lastMs = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: count }, (_, i) => {
    const day = new Date(lastMs - (count - 1 - i) * 86_400_000).toISOString().slice(0, 10);
    return known.get(day) ?? { day, tokensIn: 0, tokensOut: 0, conversations: 0 };
  });
}
