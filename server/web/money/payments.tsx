/** What was bought, with what came back of it, and the cards. Cards are changed at the payment provider, never here. */
import { useSignal } from '@preact/signals';
import type { PaymentMethod, Purchase } from '../../../protocol/billing-purchases.ts';
import { formatDateTime, formatNumber } from '../i18n/format.ts';
import { formatMoney } from '../i18n/money.ts';
import { lang, type TextKey, t } from '../i18n/translate.ts';
import { errorCode, errorText } from '../session/error-text.ts';
import { ListPanel, LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { methods, openPortal, products, purchases } from './store.ts';

export const purchaseStatusTexts: Readonly<Record<Purchase['status'], TextKey>> = {
  paid: 'money.status.paid',
  partially_refunded: 'money.status.partly',
  refunded: 'money.status.refunded',
  disputed: 'money.status.disputed',
  charged_back: 'money.status.chargedBack',
};

export function Purchases() {
  return (
    <ListPanel title={t('money.purchases')} what={purchases} empty={t('money.noPurchases')}>
      {(items) => (
        <ul class="rows">
          {items.map((purchase) => (
            <PurchaseRow key={purchase.purchaseId} purchase={purchase} />
          ))}
        </ul>
      )}
    </ListPanel>
  );
}

function PurchaseRow({ purchase }: { purchase: Purchase }) {
  const { type, units, quantity, refundedMinor, currency, status } = purchase;
  const what =
    type === 'addon_tokens'
      ? t('money.tokenCount', { count: formatNumber(units) })
      : type === 'tickets'
        ? t('money.ticketCount', { count: formatNumber(units) })
        : nameOf(purchase);
  return (
    <li class="row">
      <span class="row-words">
        <strong dir="auto">
          {what}
          {quantity > 1 && ` × ${formatNumber(quantity)}`}
        </strong>
        <span>
          <time dateTime={purchase.createdAt}>{formatDateTime(purchase.createdAt)}</time>
          {refundedMinor > 0 && ` · ${t('money.refundedOf', { amount: formatMoney(refundedMinor, currency) })}`}
        </span>
      </span>
      <span class="row-end">
        <span class="entry-amount">{formatMoney(purchase.amountMinor, currency)}</span>
        {status !== 'paid' && <span class="chip chip-thread">{t(purchaseStatusTexts[status])}</span>}
      </span>
    </li>
  );
}

/** As it is called on sale; what is not on sale any more is called by its id. */
function nameOf({ type, itemId }: Purchase): string {
  const offer = products.value?.offers.find((each) => each.type === type && each.id === itemId);
  return offer?.name[lang.value] ?? itemId;
}

export function PaymentMethods() {
  const busy = useSignal(false);
  const manage = async () => {
    busy.value = true;
    try {
      await openPortal();
    } catch (error) {
      notify(errorText(error), errorCode(error) === 'billing.no_customer' ? 'plain' : 'wrong');
    } finally {
      busy.value = false;
    }
  };
  const off = products.value?.buying === 'off';
  return (
    <LoadedPanel
      title={t('money.methods')}
      hint={t('money.methodsHint')}
      what={methods}
      aside={
        !off && (
          <button
            type="button"
            class="button quiet small"
            aria-busy={busy.value}
            disabled={busy.value}
            onClick={() => void manage()}
          >
            {t('money.portal')}
          </button>
        )
      }
    >
      {({ methods: list }) =>
        list.length === 0 ? (
          <p class="quiet-text">{t('money.noMethods')}</p>
        ) : (
          <ul class="rows">
            {list.map((method) => (
              <MethodRow key={method.paymentMethodId} method={method} />
            ))}
          </ul>
        )
      }
    </LoadedPanel>
  );
}

const brandNames: Readonly<Record<string, string>> = { amex: 'American Express', jcb: 'JCB', unionpay: 'UnionPay' };
/** As the brand writes itself; the provider writes it in lower case. */
const brandName = (brand: string): string =>
  brandNames[brand] ?? brand.charAt(0).toUpperCase() + brand.slice(1).replaceAll('_', ' ');

function MethodRow({ method }: { method: PaymentMethod }) {
  const { brand, type, last4, expMonth, expYear, isDefault } = method;
  return (
    <li class="row">
      <span class="row-words">
        <strong>
          {brandName(brand ?? type)}
          {last4 !== null && ` •••• ${last4}`}
        </strong>
        {expMonth !== null && expYear !== null && (
          <span>{t('money.expires', { month: String(expMonth).padStart(2, '0'), year: expYear })}</span>
        )}
      </span>
      {isDefault && <span class="chip chip-good">{t('money.default')}</span>}
    </li>
  );
}
