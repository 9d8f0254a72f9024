/** How much of the month is used, with a warning where little is left. */
import { formatDate, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';
import { balance } from './store.ts';

/** As the server warns: from so much of the cap on. */
const nearShare = 0.8;

export function MonthCard() {
  const month = balance.value?.month;
  if (month === undefined || month === null) return null;
  const { start, end, usedTokens, capTokens } = month;
  const share = capTokens === null || capTokens === 0 ? 0 : usedTokens / capTokens;
  return (
    <section class="panel month" aria-labelledby="month-title">
      <div class="panel-head">
        <h2 id="month-title">{t('money.month')}</h2>
        <span class="field-hint">{t('money.monthRange', { start: formatDate(start), end: formatDate(end) })}</span>
      </div>
      {capTokens === null ? (
        <p>{t('money.usedNoCap', { used: formatNumber(usedTokens) })}</p>
      ) : (
        <>
          <p>{t('money.used', { used: formatNumber(usedTokens), cap: formatNumber(capTokens) })}</p>
          <meter
            class={share >= 1 ? 'month-meter full' : share >= nearShare ? 'month-meter near' : 'month-meter'}
            min={0}
            max={Math.max(1, capTokens)}
            value={Math.min(usedTokens, capTokens)}
            aria-label={t('money.meter')}
          />
          {(share >= nearShare || capTokens === 0) && (
            <p class="month-warning">
              <Icon name="alert" size={17} />
              {t(share >= 1 || capTokens === 0 ? 'money.capReached' : 'money.near')}
            </p>
          )}
        </>
      )}
    </section>
  );
}
