/** Payouts over the operators' interface. */
import { signal } from '@preact/signals';
import type { AdminPayout, PayoutPage, RunPage, RunReply } from '../../../billing/payouts/admin-shapes.ts';
import { onSignedOut, requestAsAccount } from '../../session/store.ts';
import { Loaded } from '../../ui/loadable.ts';
import { Paged } from '../../ui/paged.ts';

export type Move = 'approve' | 'retry' | 'hold' | 'release' | 'cancel' | 'reverse';

export const runs = new Loaded<RunPage>(() => requestAsAccount('GET', '/admin/payout-runs'));
export const payouts = new Paged<AdminPayout>(async (before) => {
  const page = await requestAsAccount<PayoutPage>(
    'GET',
    `/admin/payouts?limit=20${before === undefined ? '' : `&before=${before}`}`,
  );
  return { items: page.payouts, nextBefore: page.nextBefore };
});
/** What the last run, or the last try of one, has said. */
export const outcome = signal<{ dryRun: boolean; month: string; reply: RunReply } | undefined>(undefined);

onSignedOut(() => {
  runs.reset();
  payouts.reset();
  outcome.value = undefined;
});

export async function loadPayouts(): Promise<void> {
  await Promise.all([runs.load(), payouts.load()]);
}

export async function runMonth(month: string, dryRun: boolean): Promise<void> {
  const reply = await requestAsAccount<RunReply>('POST', '/admin/payout-runs', { month, dryRun });
  outcome.value = { dryRun, month, reply };
  if (!dryRun) await loadPayouts();
}

export async function movePayout(payoutId: string, move: Move, reason: string): Promise<void> {
  await requestAsAccount('POST', `/admin/payouts/${encodeURIComponent(payoutId)}/${move}`, { reason });
  await payouts.load();
}
