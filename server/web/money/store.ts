/** What the account may buy and has bought, and the ways to the payment provider. Amounts come from the server alone. */
import { effect, signal } from '@preact/signals';
import type { Entitlement, Purchase, TicketTransaction } from '../../../protocol/billing-purchases.ts';
import { randomId } from '../../../protocol/client/environment.ts';
import type { UpReply } from '../../../protocol/up.ts';
import { lang, t } from '../i18n/translate.ts';
import { client, currentClient, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';
import { notify } from '../ui/notices.tsx';
import { Paged } from '../ui/paged.ts';
import { balance } from '../usage/store.ts';

const pageSize = 10;
const pageOf = (before: string | undefined) => ({ limit: pageSize, ...(before === undefined ? {} : { before }) });

export const products = new Loaded<UpReply<'billing.products'>>(() => client().request('billing.products', {}));
export const methods = new Loaded<UpReply<'billing.payment_methods'>>(() =>
  client().request('billing.payment_methods', {}),
);
export const purchases = new Paged<Purchase>(async (before) => {
  const page = await client().request('billing.purchases', pageOf(before));
  return { items: page.purchases, nextBefore: page.nextBefore };
});
export const ticketBalance = signal<number | undefined>(undefined);
export const tickets = new Paged<TicketTransaction>(async (before) => {
  const page = await client().request('billing.tickets', pageOf(before));
  ticketBalance.value = page.balance;
  return { items: page.transactions, nextBefore: page.nextBefore };
});
export const entitlements = new Paged<Entitlement>(async (before) => {
  const page = await client().request('billing.entitlements', pageOf(before));
  return { items: page.entitlements, nextBefore: page.nextBefore };
});
const all = [products, methods, purchases, tickets, entitlements] as const;

onSignedOut(() => {
  for (const each of all) each.reset();
  ticketBalance.value = undefined;
  wish = undefined;
});

export async function loadMoney(): Promise<void> {
  await Promise.all(all.map((each) => each.load()));
}

/** A second press, or a try after a lost answer, must lead to the same checkout. */
let wish: { of: string; requestKey: string } | undefined;

/** Leaves for the page of the payment provider. @throws TsumugiError */
export async function buy(type: string, id: string, quantity = 1): Promise<void> {
  // In another language it is another checkout: its page speaks the one it was begun in.
  const of = `${type} ${id} ${quantity} ${lang.value}`;
  if (wish?.of !== of) wish = { of, requestKey: randomId() };
  const checkout = await client().request('billing.checkout', {
    type,
    id,
    quantity,
    requestKey: wish.requestKey,
    locale: lang.value,
  });
  if (checkout.url === null) {
    // That checkout is over; what is pressed next is a new wish.
    wish = undefined;
    await loadMoney();
    return notify(t('money.checkoutOver'));
  }
  location.assign(checkout.url);
}

/** Leaves for the page where cards, invoices and a paid plan are managed. @throws TsumugiError */
export async function openPortal(): Promise<void> {
  const { url } = await client().request('billing.portal', { locale: lang.value });
  location.assign(url);
}

/** Hears what was bought or given back, on whatever screen. Call once. */
export function startMoneyNews(): void {
  let unfollow: (() => void) | undefined;
  effect(() => {
    const following = currentClient.value;
    unfollow?.();
    unfollow = following?.on('billing.purchase', ({ purchase, status }) => {
      if (status === 'open' || status === 'processing') return;
      // Whoever buys the same again means a second one.
      wish = undefined;
      if (status === 'succeeded' && purchase?.status === 'paid') notify(t('money.bought'));
      if (status === 'failed' || status === 'mismatched') notify(t('money.paymentFailed'), 'wrong');
      for (const each of all) if (each.now.peek().state !== 'idle') void each.load();
      if (balance.now.peek().state !== 'idle') void balance.load();
    });
  });
}
