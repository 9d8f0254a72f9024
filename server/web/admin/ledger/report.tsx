/** Whether everything that is stored twice agrees. Asked for, because it reads a lot. */
import type { CheckResult } from '../../../billing/reconciliation/admin-shapes.ts';
import { formatDateTime } from '../../i18n/format.ts';
import { type TextKey, t } from '../../i18n/translate.ts';
import { errorText } from '../../session/error-text.ts';
import { Icon } from '../../ui/icons.tsx';
import { Failed, Spinning } from '../../ui/states.tsx';
import { report } from './store.ts';

const names: Readonly<Record<CheckResult['name'], TextKey>> = {
  zero_sums: 'check.zeroSums',
  balances: 'check.balances',
  held: 'check.held',
  used: 'check.used',
  holds: 'check.holds',
  pending: 'check.pending',
  reversals: 'check.reversals',
  payouts: 'check.payouts',
  tickets: 'check.tickets',
  purchases: 'check.purchases',
};

export function Report() {
  const now = report.now.value;
  return (
    <section class="panel" aria-labelledby="report-title">
      <div class="panel-head">
        <h2 id="report-title">{t('check.title')}</h2>
        <button type="button" class="button quiet small" onClick={() => void report.load()}>
          {t('check.run')}
        </button>
      </div>
      <p class="field-hint">{t('check.hint')}</p>
      {now.state === 'loading' && <Spinning />}
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void report.load()} />}
      {now.state === 'ready' && (
        <>
          <p class={now.value.ok ? 'verdict verdict-good' : 'verdict verdict-wrong'} role="status">
            <Icon name={now.value.ok ? 'check' : 'alert'} />
            {t(now.value.ok ? 'check.allWell' : 'check.differs')} · {formatDateTime(now.value.at)}
          </p>
          <ul class="rows">
            {now.value.checks.map((check) => (
              <Check key={check.name} check={check} />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Check({ check: { name, differences, more } }: { check: CheckResult }) {
  return (
    <li class="row">
      <span class="row-words">
        <strong>{t(names[name])}</strong>
        {differences.map(({ subject, expected, found }) => (
          <span key={subject}>
            <code>{subject}</code> {t('check.difference', { expected, found })}
          </span>
        ))}
        {more && <span>{t('check.more')}</span>}
      </span>
      <span class={differences.length === 0 ? 'chip chip-good' : 'chip chip-thread'}>
        {t(differences.length === 0 ? 'check.agrees' : 'check.wrong')}
      </span>
    </li>
  );
}
