/** Entries of the ledger, each with a way to take it back. */
import { useSignal } from '@preact/signals';
import { randomId } from '../../../../protocol/client/environment.ts';
import type { LedgerRow } from '../../../billing/inspection/admin-shapes.ts';
import type { ReasonCode, RequestReversal } from '../../../billing/reversals/admin-shapes.ts';
import { formatDateTime, formatNumber } from '../../i18n/format.ts';
import { type TextKey, t } from '../../i18n/translate.ts';
import { FactTable } from '../../ui/fact-table.tsx';
import { ListPanel, shortId } from '../../ui/loaded-panel.tsx';
import { notify } from '../../ui/notices.tsx';
import { SelectField } from '../../ui/select-field.tsx';
import { purposeText } from '../../usage/purpose.ts';
import { ReasonDialog } from '../reason-dialog.tsx';
import { chosen, entries, requestReversal } from './store.ts';

export const reasonTexts: Readonly<Record<ReasonCode, TextKey>> = {
  duplicate: 'reversal.duplicate',
  wrong_amount: 'reversal.wrongAmount',
  outage: 'reversal.outage',
  goodwill: 'reversal.goodwill',
  misuse: 'reversal.misuse',
  other: 'reversal.other',
};
const reasonCodes = Object.keys(reasonTexts) as ReasonCode[];
/** The others the server refuses: they belong to purchases, or are corrections themselves. */
const reversible = new Set(['generation', 'sign_up_grant', 'plan_grant', 'adjustment']);

export function Entries() {
  const taken = useSignal<LedgerRow | undefined>(undefined);
  const account = chosen.value;
  return (
    <ListPanel
      title={account === undefined ? t('ledger.entries') : t('ledger.entriesOf', { id: account.accountId.slice(-12) })}
      what={entries}
      empty={t('usage.noEntries')}
    >
      {(rows) => (
        <>
          <FactTable
            caption={t('ledger.entries')}
            rows={rows}
            keyOf={(row) => row.entryId}
            columns={[
              { title: t('ledger.place'), cell: (row) => `${row.shard} · ${row.seq}` },
              { title: t('ledger.purpose'), kind: 'text', cell: (row) => purposeText(row.purpose) },
              { title: t('ledger.from'), kind: 'text', cell: (row) => shortId(row.fromAccount) },
              { title: t('ledger.to'), kind: 'text', cell: (row) => shortId(row.toAccount) },
              { title: t('ledger.amount'), cell: (row) => formatNumber(row.tokenAmount) },
              { title: t('ledger.at'), cell: (row) => formatDateTime(row.createdAt) },
              {
                title: t('admin.action'),
                cell: (row) => (
                  <Correction
                    row={row}
                    onTake={() => {
                      taken.value = row;
                    }}
                  />
                ),
              },
            ]}
          />
          {taken.value !== undefined && (
            <TakeBack
              entry={taken.value}
              onClose={() => {
                taken.value = undefined;
              }}
            />
          )}
        </>
      )}
    </ListPanel>
  );
}

function Correction({ row, onTake }: { row: LedgerRow; onTake: () => void }) {
  if (row.reversedBy !== null) return <span class="chip chip-thread">{t('usage.reversed')}</span>;
  if (!reversible.has(row.purpose)) return <>—</>;
  return (
    <button
      type="button"
      class="button quiet small"
      aria-label={t('reversal.takeBackNamed', { place: `${row.shard} · ${row.seq}` })}
      onClick={onTake}
    >
      {t('reversal.takeBack')}
    </button>
  );
}

function TakeBack({ entry, onClose }: { entry: LedgerRow; onClose: () => void }) {
  const code = useSignal<RequestReversal['reasonCode']>('outage');
  // One wish: pressed again after a lost answer it is still the same one.
  const wish = useSignal({ requestKey: randomId(), of: '' });
  return (
    <ReasonDialog
      title={t('reversal.title')}
      action={t('reversal.takeBack')}
      danger
      onClose={onClose}
      onConfirm={async (reason) => {
        // In other words it is another wish.
        const of = `${code.value} ${reason}`;
        if (wish.value.of !== of) wish.value = { requestKey: randomId(), of };
        const { requestKey } = wish.value;
        const reversal = await requestReversal({ entryId: entry.entryId, reasonCode: code.value, reason, requestKey });
        notify(t(reversal.state === 'waiting' ? 'reversal.waits' : 'reversal.booked'));
      }}
    >
      <p>
        {t('reversal.text', {
          purpose: purposeText(entry.purpose),
          amount: formatNumber(entry.tokenAmount),
          place: `${entry.shard} · ${entry.seq}`,
        })}
      </p>
      <SelectField
        label={t('reversal.kind')}
        choices={reasonCodes.map((value) => ({ value, text: t(reasonTexts[value]) }))}
        value={code.value}
        onValue={(value) => {
          code.value = value;
        }}
      />
    </ReasonDialog>
  );
}
