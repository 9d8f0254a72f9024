/** What the account has: what it was given, and what it bought. */
import { formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Failed, Spinning } from '../ui/states.tsx';
import { balance } from './store.ts';

export function BalanceFigures() {
  const now = balance.now.value;
  if (now.state === 'failed') return <Failed text={errorText(now.error)} onRetry={() => void balance.load()} />;
  if (now.state !== 'ready') return <Spinning />;
  const { tokens, boughtTokens, heldTokens, heldBoughtTokens } = now.value;
  const held = heldTokens + heldBoughtTokens;
  return (
    <dl class="figures">
      <div class="figure figure-main">
        <dt>{t('usage.balance')}</dt>
        <dd>{formatNumber(tokens + boughtTokens)}</dd>
        <dd class="figure-unit">{held > 0 ? t('money.held', { count: formatNumber(held) }) : t('usage.tokens')}</dd>
      </div>
      <div class="figure">
        <dt>{t('money.granted')}</dt>
        <dd>{formatNumber(tokens)}</dd>
        <dd class="figure-unit">{t('usage.tokens')}</dd>
      </div>
      <div class="figure">
        <dt>{t('money.boughtTokens')}</dt>
        <dd>{formatNumber(boughtTokens)}</dd>
        <dd class="figure-unit">{t('usage.tokens')}</dd>
      </div>
    </dl>
  );
}
