/** What was used, what is left, and the ledger that says so. */
import { useEffect } from 'preact/hooks';
import type { LedgerEntry } from '../../../protocol/billing.ts';
import { formatDateTime, formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { Screen } from '../shell/screen.tsx';
import { ListPanel, LoadedPanel } from '../ui/loaded-panel.tsx';
import { BalanceFigures } from './balance-figures.tsx';
import { DayChart } from './day-chart.tsx';
import { EntryProof } from './entry-proof.tsx';
import { fillDays } from './fill-days.ts';
import { MonthCard } from './month-card.tsx';
import { purposeText } from './purpose.ts';
import { balance, ledger, shownDays, usage } from './store.ts';

export function UsageScreen() {
  useEffect(() => {
    void balance.load();
    void usage.load();
    void ledger.load();
  }, []);
  return (
    <Screen title={t('usage.title')}>
      <BalanceFigures />
      <MonthCard />
      <Days />
      <Ledger />
    </Screen>
  );
}

function Days() {
  return (
    <LoadedPanel title={t('usage.byDay')} what={usage}>
      {(value) => {
        const days = fillDays(value.days, new Date().toISOString().slice(0, 10), shownDays);
        const sum = (pick: (day: (typeof days)[number]) => number): number =>
          days.reduce((total, day) => total + pick(day), 0);
        return (
          <>
            <p class="field-hint">
              {t('usage.sums', {
                days: shownDays,
                out: formatNumber(sum((day) => day.tokensOut)),
                in: formatNumber(sum((day) => day.tokensIn)),
              })}
            </p>
            <DayChart days={days} />
          </>
        );
      }}
    </LoadedPanel>
  );
}

function Ledger() {
  return (
    <ListPanel title={t('usage.ledger')} hint={t('usage.ledgerHint')} what={ledger} empty={t('usage.noEntries')}>
      {(entries) => (
        <ol class="ledger">
          {entries.map((entry) => (
            <EntryRow key={`${entry.shard}.${entry.seq}`} entry={entry} />
          ))}
        </ol>
      )}
    </ListPanel>
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
        <strong>
          {purposeText(entry.purpose)}
          {entry.status === 'reversed' && entry.purpose !== 'reversal' && (
            <span class="chip chip-thread">{t('usage.reversed')}</span>
          )}
          {entry.asset === 'addon_token' && <span class="chip">{t('usage.bought')}</span>}
        </strong>
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
        <EntryProof entry={entry} />
      </details>
    </li>
  );
}
