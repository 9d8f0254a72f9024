/** Purchases as operators look them up, and giving money back. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { randomId } from '../../../../protocol/client/environment.ts';
import type { PurchaseRecord } from '../../../billing/purchases/admin-shapes.ts';
import { formatDateTime, formatNumber } from '../../i18n/format.ts';
import { formatMoney, minorOf } from '../../i18n/money.ts';
import { t } from '../../i18n/translate.ts';
import { purchaseStatusTexts } from '../../money/payments.tsx';
import { TextField } from '../../ui/field.tsx';
import { ListPanel, shortId } from '../../ui/loaded-panel.tsx';
import { notify } from '../../ui/notices.tsx';
import { ReasonDialog } from '../reason-dialog.tsx';
import { SearchForm } from '../search-form.tsx';
import { findPurchases, purchases, refund } from './store.ts';

export function PurchasesPart() {
  const given = useSignal<PurchaseRecord | undefined>(undefined);
  useEffect(() => void purchases.load(), []);
  return (
    <>
      <SearchForm label={t('purchase.find')} hint={t('purchase.findHint')} onFind={findPurchases} />
      <ListPanel title={t('money.purchases')} what={purchases} empty={t('admin.noneFound')}>
        {(list) => (
          <ul class="rows">
            {list.map((purchase) => (
              <PurchaseRow
                key={purchase.purchaseId}
                purchase={purchase}
                onRefund={() => {
                  given.value = purchase;
                }}
              />
            ))}
          </ul>
        )}
      </ListPanel>
      {given.value !== undefined && (
        <Refund
          purchase={given.value}
          onClose={() => {
            given.value = undefined;
          }}
        />
      )}
    </>
  );
}

function PurchaseRow({ purchase, onRefund }: { purchase: PurchaseRecord; onRefund: () => void }) {
  const { purchaseId, userId, type, itemId, units, amountMinor, refundedMinor, currency, status, paymentId } = purchase;
  return (
    <li class="row">
      <span class="row-words">
        <strong>
          {type} · {itemId} · {formatNumber(units)}
        </strong>
        <span>
          {formatDateTime(purchase.createdAt)} · {shortId(userId)} · <code>{paymentId}</code>
          {refundedMinor > 0 && ` · ${t('money.refundedOf', { amount: formatMoney(refundedMinor, currency) })}`}
        </span>
      </span>
      <span class="row-end">
        <span class="entry-amount">{formatMoney(amountMinor, currency)}</span>
        <span class={status === 'paid' ? 'chip chip-good' : 'chip chip-thread'}>{t(purchaseStatusTexts[status])}</span>
        {amountMinor > refundedMinor && (
          <button
            type="button"
            class="button quiet small"
            aria-label={t('purchase.refundNamed', { id: purchaseId.slice(-12) })}
            onClick={onRefund}
          >
            {t('purchase.refund')}
          </button>
        )}
      </span>
    </li>
  );
}

function Refund({ purchase, onClose }: { purchase: PurchaseRecord; onClose: () => void }) {
  const { purchaseId, amountMinor, refundedMinor, currency } = purchase;
  const left = amountMinor - refundedMinor;
  const amount = useSignal('');
  const wrong = useSignal<string | undefined>(undefined);
  // One wish: pressed again after a lost answer it is still the same refund; in other words it is another one.
  const wish = useSignal({ requestKey: randomId(), of: '' });
  const give = async (reason: string) => {
    const minor = amount.value.trim() === '' ? left : minorOf(amount.value, currency);
    wrong.value = minor === undefined || minor < 1 || minor > left ? t('purchase.amountWrong') : undefined;
    if (minor === undefined || wrong.value !== undefined) return false;
    const of = `${minor} ${reason}`;
    if (wish.value.of !== of) wish.value = { requestKey: randomId(), of };
    await refund(purchaseId, { amountMinor: minor, reason, requestKey: wish.value.requestKey });
    notify(t('purchase.refunded'));
    return true;
  };
  return (
    <ReasonDialog
      title={t('purchase.refundTitle')}
      action={t('purchase.refund')}
      danger
      onConfirm={give}
      onClose={onClose}
    >
      <p>{t('purchase.refundText')}</p>
      <TextField
        label={t('purchase.amount')}
        hint={t('purchase.amountHint', { left: formatMoney(left, currency) })}
        inputMode="decimal"
        value={amount.value}
        error={wrong.value}
        onValue={(value) => {
          amount.value = value;
        }}
      />
    </ReasonDialog>
  );
}
