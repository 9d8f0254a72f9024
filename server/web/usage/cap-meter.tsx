/** How much of a month's cap is used, with a warning where little is left. */
import { formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Icon } from '../ui/icons.tsx';

/** As the server warns: from so much of the cap on. */
const nearShare = 0.8;

type CapMeterProps = { label: string; usedTokens: number; capTokens: number | null };

export function CapMeter({ label, usedTokens, capTokens }: CapMeterProps) {
  if (capTokens === null) return <p>{t('money.usedNoCap', { used: formatNumber(usedTokens) })}</p>;
  const share = capTokens === 0 ? 1 : usedTokens / capTokens;
  return (
    <div>
      <p>{t('money.used', { used: formatNumber(usedTokens), cap: formatNumber(capTokens) })}</p>
      <meter
        class={share >= nearShare ? 'month-meter near' : 'month-meter'}
        min={0}
        max={Math.max(1, capTokens)}
        value={Math.min(usedTokens, capTokens)}
        aria-label={label}
      />
      {share >= nearShare && (
        <p class="month-warning">
          <Icon name="alert" size={17} />
          {t(share >= 1 ? 'money.capReached' : 'money.near')}
        </p>
      )}
    </div>
  );
}
