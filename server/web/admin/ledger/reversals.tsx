/** Corrections that operators asked for: those that wait for a second person first in mind, the rest as a record. */
import type { Reversal } from '../../../billing/reversals/admin-shapes.ts';
import { formatAgo, formatNumber } from '../../i18n/format.ts';
import { type TextKey, t } from '../../i18n/translate.ts';
import { account } from '../../session/store.ts';
import { ListPanel, shortId } from '../../ui/loaded-panel.tsx';
import { notify } from '../../ui/notices.tsx';
import { tell } from '../tell.ts';
import { reasonTexts } from './entries.tsx';
import { decideReversal, limitTokens, reversals } from './store.ts';

const stateTexts: Readonly<Record<Reversal['state'], TextKey>> = {
  waiting: 'reversal.waiting',
  approved: 'reversal.approved',
  declined: 'reversal.declined',
};

export function Reversals() {
  const limit = limitTokens.value;
  return (
    <ListPanel
      title={t('reversal.list')}
      hint={limit === undefined ? undefined : t('reversal.limit', { count: formatNumber(limit) })}
      what={reversals}
      empty={t('reversal.none')}
    >
      {(list) => (
        <ul class="rows">
          {list.map((reversal) => (
            <ReversalRow key={reversal.reversalId} reversal={reversal} />
          ))}
        </ul>
      )}
    </ListPanel>
  );
}

function ReversalRow({ reversal }: { reversal: Reversal }) {
  const { reversalId, entryId, tokenAmount, reasonCode, reason, state, requestedBy, requestedAt, decidedBy } = reversal;
  const own = account.value?.userId === requestedBy;
  const decide = (how: 'approve' | 'decline') =>
    decideReversal(reversalId, how).then(
      () => notify(t(how === 'approve' ? 'reversal.booked' : 'reversal.declinedNotice')),
      tell,
    );
  return (
    <li class="row">
      <span class="row-words">
        <strong>
          {t('money.tokenCount', { count: formatNumber(tokenAmount) })} · {t(reasonTexts[reasonCode])}
        </strong>
        <span dir="auto">{reason}</span>
        <span>
          {shortId(entryId)} · {t('reversal.by', { who: own ? t('reversal.you') : requestedBy.slice(-12) })} ·{' '}
          {formatAgo(requestedAt)}
          {decidedBy !== null &&
            decidedBy !== requestedBy &&
            ` · ${t('reversal.second', { who: decidedBy.slice(-12) })}`}
        </span>
      </span>
      <span class="row-end">
        {state !== 'waiting' && (
          <span class={state === 'approved' ? 'chip chip-good' : 'chip'}>{t(stateTexts[state])}</span>
        )}
        {state === 'waiting' && !own && (
          <button type="button" class="button primary small" onClick={() => void decide('approve')}>
            {t('reversal.approve')}
          </button>
        )}
        {state === 'waiting' && own && <span class="chip chip-thread">{t(stateTexts.waiting)}</span>}
        {state === 'waiting' && (
          <button type="button" class="button quiet small" onClick={() => void decide('decline')}>
            {t(own ? 'reversal.withdraw' : 'reversal.decline')}
          </button>
        )}
      </span>
    </li>
  );
}
