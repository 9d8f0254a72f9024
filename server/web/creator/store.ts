/** The account as a creator: what is earned, where it is paid, and what was paid. */
import type { Payout, PayoutAccount } from '../../../protocol/billing-payouts.ts';
import type { UpReply } from '../../../protocol/up.ts';
import { lang } from '../i18n/translate.ts';
import { client, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';
import { Paged } from '../ui/paged.ts';

export const creator = new Loaded<UpReply<'billing.creator'>>(() => client().request('billing.creator', {}));
export const accounts = new Loaded<readonly PayoutAccount[]>(async () => {
  // Whoever looks here has most likely just come back from the provider's questions.
  const { accounts: list } = await client().request('billing.payout_accounts', { refresh: true });
  return list;
});
export const payouts = new Paged<Payout>(async (before) => {
  const page = await client().request('billing.payouts', { limit: 12, ...(before === undefined ? {} : { before }) });
  return { items: page.payouts, nextBefore: page.nextBefore };
});
onSignedOut(() => {
  for (const each of [creator, accounts, payouts]) each.reset();
});

export async function loadCreator(): Promise<void> {
  await creator.load();
  const me = creator.value?.creator;
  if (me) await Promise.all([me.canBePaid && accounts.load(), payouts.load()]);
}

export async function becomeCreator(): Promise<void> {
  creator.set(await client().request('billing.become_creator', {}));
  await loadCreator();
}

/** Opens an account and leaves for the provider's questions about it. */
export async function addAccount(country: string): Promise<void> {
  const { url } = await client().request('billing.add_payout_account', { country });
  location.assign(url);
}

export async function answerQuestions(accountId: string): Promise<void> {
  const { url } = await client().request('billing.payout_account_link', { accountId });
  location.assign(url);
}

export async function makeDefault(accountId: string): Promise<void> {
  await client().request('billing.set_default_payout_account', { accountId });
  await accounts.load();
}

export async function removeAccount(accountId: string): Promise<void> {
  await client().request('billing.remove_payout_account', { accountId });
  await accounts.load();
}

export async function fetchStatement(payoutId: string, format: 'pdf' | 'csv'): Promise<void> {
  const { path } = await client().request('billing.payout_statement', { payoutId, format, lang: lang.value });
  // An attachment: the page stays.
  location.assign(path);
}
