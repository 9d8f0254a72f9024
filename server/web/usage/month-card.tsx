/** How much of the month is used. */
import { formatDate } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { CapMeter } from './cap-meter.tsx';
import { balance } from './store.ts';

export function MonthCard() {
  const month = balance.value?.month;
  if (month === undefined || month === null) return null;
  const { start, end, usedTokens, capTokens } = month;
  return (
    <section class="panel month" aria-labelledby="month-title">
      <div class="panel-head">
        <h2 id="month-title">{t('money.month')}</h2>
        <span class="field-hint">{t('money.monthRange', { start: formatDate(start), end: formatDate(end) })}</span>
      </div>
      <CapMeter label={t('money.meter')} usedTokens={usedTokens} capTokens={capTokens} />
    </section>
  );
}
