/** What was used, what is left, and the ledger that says so. */
import { useEffect } from 'preact/hooks';
import type { LedgerEntry } from '../../../protocol/billing.ts';
import { formatDateTime, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Screen } from '../shell/screen.tsx';
import { notify } from '../ui/notices.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import { DayChart } from './day-chart.tsx';
import { fillDays } from './fill-days.ts';
import { ledger, loadMoreEntries, shownDays, usage } from './store.ts';

export function UsageScreen() {
  useEffect(() => {
    void usage.load();
    void ledger.load();
  }, []);
  return (
    <Screen title={t('usage.title')}>
      <Summary />
      <Ledger />
    </Screen>
  );
}

function Summary() {
  const now = usage.now.value;
  if (now.state === 'failed') return <Failed text={errorText(now.error)} onRetry={() => void usage.load()} />;
  if (now.state !== 'ready') return <Spinning />;
  const days = fillDays(now.value.days, new Date().toISOString().slice(0, 10), shownDays);
  const sum = (pick: (day: (typeof days)[number]) => number): number =>
    days.reduce((total, day) => total + pick(day), 0);
  return (
    <>
      <dl class="figures">
        <div class="figure figure-main">
          <dt>{t('usage.balance')}</dt>
          <dd>{formatNumber(now.value.balance)}</dd>
          <dd class="figure-unit">{t('usage.tokens')}</dd>
        </div>
        <div class="figure">
          <dt>{t('usage.tokensOut')}</dt>
          <dd>{formatNumber(sum((day) => day.tokensOut))}</dd>
          <dd class="figure-unit">{t('usage.lastDays', { days: shownDays })}</dd>
        </div>
        <div class="figure">
          <dt>{t('usage.tokensIn')}</dt>
          <dd>{formatNumber(sum((day) => day.tokensIn))}</dd>
          <dd class="figure-unit">{t('usage.lastDays', { days: shownDays })}</dd>
        </div>
      </dl>
      <section class="panel" aria-labelledby="days-title">
        <h2 id="days-title">{t('usage.byDay')}</h2>
        <DayChart days={days} />
      </section>
    </>
  );
}

function Ledger() {
  const now = ledger.now.value;
  return (
    <section class="panel" aria-labelledby="ledger-title">
      <h2 id="ledger-title">{t('usage.ledger')}</h2>
      <p class="field-hint">{t('usage.ledgerHint')}</p>
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void ledger.load()} />}
      {(now.state === 'idle' || now.state === 'loading') && <Spinning />}
      {now.state === 'ready' && now.value.entries.length === 0 && <p>{t('usage.noEntries')}</p>}
      {now.state === 'ready' && now.value.entries.length > 0 && (
        <ol class="ledger">
          {now.value.entries.map((entry) => (
            <EntryRow key={`${entry.shard}.${entry.seq}`} entry={entry} />
          ))}
        </ol>
      )}
      {now.state === 'ready' && now.value.nextBefore !== null && (
        <button
          type="button"
          class="button quiet small"
          onClick={() => void loadMoreEntries().catch((error: unknown) => notify(errorText(error), 'wrong'))}
        >
          {t('more')}
        </button>
      )}
    </section>
  );
}

function EntryRow({ entry }: { entry: LedgerEntry }) {
  const given = entry.direction === 'in';
  return (
    <li class="entry">
      <span class="entry-seq" title={t('usage.seqHint', { shard: entry.shard, seq: entry.seq })}>
        #{entry.seq}
      </span>
      <span class="entry-words">
        <strong>{purposeText(entry.purpose)}</strong>
        <time dateTime={entry.createdAt}>{formatDateTime(entry.createdAt)}</time>
      </span>
      <span class={given ? 'entry-amount entry-in' : 'entry-amount'}>
        {given ? '+' : '−'}
        {formatNumber(entry.tokenAmount)}
      </span>
      <details class="entry-hash">
        <summary>
          <code>{entry.hash.slice(0, 12)}…</code>
          <span class="sr-only">{t('usage.showHash')}</span>
        </summary>
        <dl>
          <dt>{t('usage.hash')}</dt>
          <dd>
            <code>{entry.hash}</code>
          </dd>
          <dt>{t('usage.prevHash')}</dt>
          <dd>
            <code>{entry.prevHash}</code>
          </dd>
        </dl>
      </details>
    </li>
  );
}

function purposeText(purpose: string): string {
  switch (purpose) {
    case 'generation':
    case 'chat':
    case 'conversation':
      return t('usage.purpose.chat');
    case 'grant':
    case 'sign_up_grant':
      return t('usage.purpose.grant');
    default:
      return purpose;
  }
}
