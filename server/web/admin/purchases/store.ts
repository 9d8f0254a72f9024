/** Purchases over the operators' interface. */
import { signal } from '@preact/signals';
import { isUuidInAnyCase } from '../../../../protocol/uuid.ts';
import type { PurchasePage, PurchaseRecord, RefundBody } from '../../../billing/purchases/admin-shapes.ts';
import type { UserPage } from '../../../ops/admin-shapes.ts';
import { onSignedOut, requestAsAccount } from '../../session/store.ts';
import { Paged } from '../../ui/paged.ts';

const wish = signal('');

export const purchases = new Paged<PurchaseRecord>(async (before) => {
  const query = new URLSearchParams(wish.value);
  query.set('limit', '20');
  if (before !== undefined) query.set('before', before);
  const page = await requestAsAccount<PurchasePage>('GET', `/admin/purchases?${query}`);
  return { items: page.purchases, nextBefore: page.nextBefore };
});
onSignedOut(() => {
  wish.value = '';
  purchases.reset();
});

/** By mail address, by the id of a user, or by the provider's id of a payment. Nothing: all. */
export async function findPurchases(text: string): Promise<void> {
  const wanted = text.trim();
  if (wanted.includes('@')) {
    const { users } = await requestAsAccount<UserPage>('POST', '/admin/users/search', { email: wanted });
    if (users[0] === undefined) return purchases.set({ items: [], nextBefore: null });
    wish.value = `userId=${users[0].userId}`;
  } else if (wanted === '') wish.value = '';
  else wish.value = new URLSearchParams({ [isUuidInAnyCase(wanted) ? 'userId' : 'paymentId']: wanted }).toString();
  await purchases.load();
}

export async function refund(purchaseId: string, body: RefundBody): Promise<void> {
  await requestAsAccount('POST', `/admin/purchases/${encodeURIComponent(purchaseId)}/refund`, body);
  await purchases.load();
}
