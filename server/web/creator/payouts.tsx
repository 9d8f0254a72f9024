/** The payouts of a creator by month, each with how its sum came about and its statement. */
import type { Payout } from '../../../protocol/billing-payouts.ts';
import { formatDate, formatMonth, formatNumber } from '../i18n/format.ts';
import { formatMoney } from '../i18n/money.ts';
import { type TextKey, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { ListPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { fetchStatement, payouts } from './store.ts';

export const payoutStates: Readonly<Record<Payout['status'], TextKey>> = {
  carried: 'payout.carried',
  pending: 'payout.pending',
  held: 'payout.held',
  approved: 'payout.approved',
  transferring: 'payout.transferring',
  paid: 'payout.paid',
  failed: 'payout.failed',
  reversed: 'payout.reversed',
  canceled: 'payout.canceled',
};

export function Payouts() {
  return (
    <ListPanel
      title={t('creator.payouts')}
      hint={t('creator.payoutsHint')}
      what={payouts}
      empty={t('creator.noPayouts')}
    >
      {(items) => (
        <ul class="rows">
          {items.map((payout) => (
            <PayoutRow key={payout.payoutId} payout={payout} />
          ))}
        </ul>
      )}
    </ListPanel>
  );
}

function PayoutRow({ payout }: { payout: Payout }) {
  const { payoutId, month, currency, amountMinor, status, paidAt, lineCount } = payout;
  return (
    <li class="row payout">
      <details>
        <summary>
          <span class="row-words">
            <strong>{formatMonth(month)}</strong>
            <span>
              {t('creator.lines', { count: formatNumber(lineCount) })}
              {paidAt !== null && ` · ${t('creator.paidOn', { date: formatDate(paidAt) })}`}
            </span>
          </span>
          <span class="row-end">
            <span class="entry-amount">{formatMoney(amountMinor, currency)}</span>
            <span class={status === 'paid' ? 'chip chip-good' : 'chip'}>{t(payoutStates[status])}</span>
          </span>
        </summary>
        <PayoutSum payout={payout} />
        <div class="button-row">
          {(['pdf', 'csv'] as const).map((format) => (
            <button
              key={format}
              type="button"
              class="button quiet small"
              aria-label={t('creator.statementNamed', { month: formatMonth(month), format: format.toUpperCase() })}
              onClick={() =>
                void fetchStatement(payoutId, format).catch((error: unknown) => notify(errorText(error), 'wrong'))
              }
            >
              {t('creator.statement', { format: format.toUpperCase() })}
            </button>
          ))}
        </div>
      </details>
    </li>
  );
}

/** How the sum came about; parts that are zero are left out. */
export function PayoutSum({ payout }: { payout: Omit<Payout, 'payoutId' | 'lineCount' | 'paidAt' | 'createdAt'> }) {
  const { currency, openingMinor, shareMinor, clawbackMinor, returnedMinor, feeMinor, closingMinor } = payout;
  const parts: readonly (readonly [TextKey, number])[] = [
    ['payout.opening', openingMinor],
    ['payout.share', shareMinor],
    ['payout.clawback', clawbackMinor],
    ['payout.returned', returnedMinor],
    ['payout.fee', -feeMinor],
    ['payout.closing', -closingMinor],
  ];
  return (
    <dl class="sum">
      {parts
        .filter(([, minor]) => minor !== 0)
        .map(([text, minor]) => (
          <div key={text}>
            <dt>{t(text)}</dt>
            <dd>{formatMoney(minor, currency)}</dd>
          </div>
        ))}
      <div class="sum-total">
        <dt>{t('payout.amount')}</dt>
        <dd>{formatMoney(payout.amountMinor, currency)}</dd>
      </div>
    </dl>
  );
}
