/** The monthly run, tried first and then done, and what operators decide about single payouts. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { AdminPayout } from '../../../billing/payouts/admin-shapes.ts';
import { payoutStates } from '../../creator/payouts.tsx';
import { formatDateTime, formatMonth, formatNumber } from '../../i18n/format.ts';
import { formatMoney } from '../../i18n/money.ts';
import { type TextKey, t } from '../../i18n/translate.ts';
import { FactTable } from '../../ui/fact-table.tsx';
import { ListPanel, LoadedPanel, shortId } from '../../ui/loaded-panel.tsx';
import { notify } from '../../ui/notices.tsx';
import { SelectField } from '../../ui/select-field.tsx';
import { ReasonDialog } from '../reason-dialog.tsx';
import { tell } from '../tell.ts';
import { loadPayouts, type Move, movePayout, outcome, payouts, runMonth, runs } from './store.ts';

const moveTexts: Readonly<Record<Move, TextKey>> = {
  approve: 'payout.do.approve',
  retry: 'payout.do.retry',
  hold: 'payout.do.hold',
  release: 'payout.do.release',
  cancel: 'payout.do.cancel',
  reverse: 'payout.do.reverse',
};
/** What the server allows in each state. */
const movesOf: Readonly<Partial<Record<AdminPayout['status'], readonly Move[]>>> = {
  pending: ['approve', 'hold', 'cancel'],
  held: ['release', 'cancel'],
  approved: ['hold'],
  failed: ['retry', 'cancel'],
  paid: ['reverse'],
};

export function PayoutsPart() {
  useEffect(() => void loadPayouts(), []);
  const moved = useSignal<{ payout: AdminPayout; move: Move } | undefined>(undefined);
  return (
    <>
      <Run />
      <ListPanel title={t('creator.payouts')} what={payouts} empty={t('creator.noPayouts')}>
        {(list) => (
          <ul class="rows">
            {list.map((payout) => (
              <PayoutRow
                key={payout.payoutId}
                payout={payout}
                onMove={(move) => {
                  moved.value = { payout, move };
                }}
              />
            ))}
          </ul>
        )}
      </ListPanel>
      {moved.value !== undefined && (
        <ReasonDialog
          title={t('payout.moveTitle', {
            what: t(moveTexts[moved.value.move]),
            amount: formatMoney(moved.value.payout.amountMinor, moved.value.payout.currency),
          })}
          action={t(moveTexts[moved.value.move])}
          danger={moved.value.move === 'cancel' || moved.value.move === 'reverse'}
          onConfirm={async (reason) => {
            if (moved.value !== undefined) await movePayout(moved.value.payout.payoutId, moved.value.move, reason);
          }}
          onClose={() => {
            moved.value = undefined;
          }}
        />
      )}
    </>
  );
}

function PayoutRow({ payout, onMove }: { payout: AdminPayout; onMove: (move: Move) => void }) {
  const { payoutId, creatorId, month, currency, amountMinor, status, waitsFor, failureCode } = payout;
  return (
    <li class="row">
      <span class="row-words">
        <strong>
          {formatMonth(month)} · {shortId(creatorId)}
        </strong>
        <span>
          {[
            t('creator.lines', { count: formatNumber(payout.lineCount) }),
            ...(waitsFor === null ? [] : [t('payout.waitsFor', { what: waitsFor })]),
            ...(failureCode === null ? [] : [failureCode]),
          ].join(' · ')}
        </span>
      </span>
      <span class="row-end">
        <span class="entry-amount">{formatMoney(amountMinor, currency)}</span>
        <span class={status === 'paid' ? 'chip chip-good' : 'chip'}>{t(payoutStates[status])}</span>
        {(movesOf[status] ?? []).map((move) => (
          <button
            key={move}
            type="button"
            class={move === 'approve' ? 'button primary small' : 'button quiet small'}
            aria-label={`${t(moveTexts[move])} · ${formatMonth(month)} · ${payoutId.slice(-12)}`}
            onClick={() => onMove(move)}
          >
            {t(moveTexts[move])}
          </button>
        ))}
      </span>
    </li>
  );
}

function Run() {
  const months = lastMonths(new Date());
  const month = useSignal(months[0] ?? '');
  const busy = useSignal(false);
  const run = async (dryRun: boolean) => {
    busy.value = true;
    try {
      await runMonth(month.value, dryRun);
      if (!dryRun) notify(t('payout.ran'));
    } catch (error) {
      tell(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <LoadedPanel title={t('payout.run')} hint={t('payout.runHint')} what={runs}>
      {({ runs: done }) => (
        <>
          <form
            class="search"
            onSubmit={(event) => {
              event.preventDefault();
              void run(true);
            }}
          >
            <SelectField
              label={t('payout.month')}
              choices={months.map((each) => ({ value: each, text: formatMonth(each) }))}
              value={month.value}
              onValue={(value) => {
                month.value = value;
              }}
            />
            <button type="submit" class="button" disabled={busy.value}>
              {t('payout.dryRun')}
            </button>
            <button type="button" class="button primary" disabled={busy.value} onClick={() => void run(false)}>
              {t('payout.doRun')}
            </button>
          </form>
          <Outcome />
          {done.length > 0 && (
            <FactTable
              caption={t('payout.runs')}
              rows={done}
              keyOf={(one) => one.runId}
              columns={[
                { title: t('payout.month'), cell: (one) => formatMonth(one.month) },
                { title: t('settings.timeZone'), cell: (one) => one.timeZone },
                { title: t('payout.started'), cell: (one) => formatDateTime(one.startedAt) },
                {
                  title: t('payout.finished'),
                  cell: (one) => (one.finishedAt === null ? '—' : formatDateTime(one.finishedAt)),
                },
              ]}
            />
          )}
        </>
      )}
    </LoadedPanel>
  );
}

function Outcome() {
  const shown = outcome.value;
  if (shown === undefined) return null;
  const { planned, made } = shown.reply;
  return (
    <div role="status">
      <p class="note">
        {t(shown.dryRun ? 'payout.wouldMake' : 'payout.made', {
          month: formatMonth(shown.month),
          count: formatNumber(shown.dryRun ? planned.length : made),
        })}
      </p>
      {planned.length > 0 && (
        <FactTable
          caption={t('payout.planned')}
          rows={planned}
          keyOf={(one) => `${one.creatorId} ${one.currency}`}
          columns={[
            { title: t('payout.creator'), cell: (one) => shortId(one.creatorId) },
            { title: t('payout.gross'), cell: (one) => formatMoney(one.grossMinor, one.currency) },
            { title: t('payout.share'), cell: (one) => formatMoney(one.shareMinor, one.currency) },
            { title: t('payout.clawback'), cell: (one) => formatMoney(one.clawbackMinor, one.currency) },
            { title: t('payout.amount'), cell: (one) => formatMoney(one.amountMinor, one.currency) },
          ]}
        />
      )}
    </div>
  );
}

/** The months that are over, latest first, by this browser's clock; the server refuses one that is not. */
function lastMonths(now: Date): string[] {
  return Array.from({ length: 12 }, (_, back) => {
    const month = new Date(Date.UTC(now.getFullYear(), now.getMonth() - 1 - back, 1));
    return month.toISOString().slice(0, 7);
  });
}
