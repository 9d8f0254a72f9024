/** Accounts and entries of the ledger, corrections, and the report. */
import { useEffect } from 'preact/hooks';
import type { LedgerAccount } from '../../../billing/inspection/admin-shapes.ts';
import { formatDate, formatNumber } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { ListPanel, shortId } from '../../ui/loaded-panel.tsx';
import { SearchForm } from '../search-form.tsx';
import { Entries } from './entries.tsx';
import { Report } from './report.tsx';
import { Reversals } from './reversals.tsx';
import { accounts, choose, chosen, find, loadLedger } from './store.ts';

export function LedgerPart() {
  useEffect(() => void loadLedger(), []);
  return (
    <>
      <SearchForm label={t('ledger.find')} hint={t('ledger.findHint')} onFind={find} />
      <Accounts />
      <Entries />
      <Reversals />
      <Report />
    </>
  );
}

function Accounts() {
  return (
    <ListPanel title={t('ledger.accounts')} what={accounts} empty={t('admin.noneFound')}>
      {(list) => (
        <ul class="rows">
          {list.map((account) => (
            <AccountRow key={account.accountId} account={account} />
          ))}
        </ul>
      )}
    </ListPanel>
  );
}

function AccountRow({ account }: { account: LedgerAccount }) {
  const { accountId, userId, tokens, addonTokens, period, holds, pendingEntries } = account;
  const isChosen = chosen.value?.accountId === accountId;
  return (
    <li class={isChosen ? 'row row-chosen' : 'row'}>
      <span class="row-words">
        <strong>
          {shortId(accountId)} {userId === null ? t('ledger.platform') : <>· {shortId(userId)}</>}
        </strong>
        <span>
          {[
            t('ledger.balances', { granted: formatNumber(tokens), bought: formatNumber(addonTokens) }),
            ...(period === null
              ? []
              : [
                  t('ledger.month', {
                    used: formatNumber(period.usedTokens),
                    cap: period.capTokens === null ? '∞' : formatNumber(period.capTokens),
                    end: formatDate(period.end),
                  }),
                ]),
            ...(holds > 0 ? [t('ledger.holds', { count: formatNumber(holds) })] : []),
            ...(pendingEntries > 0 ? [t('ledger.pending', { count: formatNumber(pendingEntries) })] : []),
          ].join(' · ')}
        </span>
      </span>
      <button
        type="button"
        class="button quiet small"
        aria-pressed={isChosen}
        aria-label={t('ledger.entriesOf', { id: accountId.slice(-12) })}
        onClick={() => void choose(isChosen ? undefined : account)}
      >
        {t(isChosen ? 'ledger.all' : 'ledger.show')}
      </button>
    </li>
  );
}
