/** Balance and month, usage by day and the ledger's entries of the account. */

import { effect } from '@preact/signals';
import type { LedgerEntry } from '../../../protocol/billing.ts';
import type { UpReply } from '../../../protocol/up.ts';
import { client, currentClient, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';
import { Paged } from '../ui/paged.ts';

export const shownDays = 30;
const pageSize = 25;

export const balance = new Loaded<UpReply<'billing.spending'>>(() => client().request('billing.spending', {}));
export const usage = new Loaded<UpReply<'billing.usage'>>(() => client().request('billing.usage', { days: shownDays }));
export const ledger = new Paged<LedgerEntry>(async (before) => {
  const page = await client().request('billing.ledger', {
    limit: pageSize,
    ...(before === undefined ? {} : { before }),
  });
  return { items: page.entries, nextBefore: page.nextBefore };
});
onSignedOut(() => {
  balance.reset();
  usage.reset();
  ledger.reset();
});

/** Keeps the balance true while answers are paid. Call once. */
export function startBalanceNews(): void {
  let unfollow: (() => void) | undefined;
  effect(() => {
    const following = currentClient.value;
    unfollow?.();
    unfollow = following?.on('billing.balance', () => {
      if (balance.now.peek().state !== 'idle') void balance.load();
    });
  });
}
