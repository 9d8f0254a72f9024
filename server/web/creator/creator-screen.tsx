/** For whoever earns with avatars, packs and prompts: becoming a creator, what is earned, where it goes, what was paid. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Creator } from '../../../protocol/billing-payouts.ts';
import { Knot } from '../avatars/knot.tsx';
import { formatDate, formatPercent } from '../i18n/format.ts';
import { formatMoney } from '../i18n/money.ts';
import { t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Screen } from '../shell/screen.tsx';
import { notify } from '../ui/notices.tsx';
import { Failed, Spinning } from '../ui/states.tsx';
import { PayoutAccounts } from './payout-accounts.tsx';
import { Payouts } from './payouts.tsx';
import { becomeCreator, creator, loadCreator } from './store.ts';

export function CreatorScreen() {
  useEffect(() => void loadCreator(), []);
  const now = creator.now.value;
  return (
    <Screen title={t('creator.title')}>
      {now.state === 'failed' && <Failed text={errorText(now.error)} onRetry={() => void loadCreator()} />}
      {(now.state === 'idle' || now.state === 'loading') && <Spinning />}
      {now.state === 'ready' && (now.value.creator === null ? <Invitation /> : <Area me={now.value.creator} />)}
    </Screen>
  );
}

function Invitation() {
  const busy = useSignal(false);
  const begin = async () => {
    busy.value = true;
    try {
      await becomeCreator();
      notify(t('creator.welcome'));
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="panel invitation" aria-labelledby="invitation-title">
      <Knot seed="creator" size={96} />
      <h2 id="invitation-title">{t('creator.invitation')}</h2>
      <p class="lead">{t('creator.invitationText')}</p>
      <button
        type="button"
        class="button primary"
        aria-busy={busy.value}
        disabled={busy.value}
        onClick={() => void begin()}
      >
        {t('creator.become')}
      </button>
    </section>
  );
}

function Area({ me }: { me: Creator }) {
  return (
    <>
      {me.status === 'suspended' && <p class="form-error">{t('creator.suspended')}</p>}
      {!me.canBePaid && <p class="note">{t('creator.cannotBePaid')}</p>}
      <dl class="figures">
        {me.balances.map(({ currency, readyMinor, waitingMinor }) => [
          <div class="figure figure-main" key={`${currency} ready`}>
            <dt>{t('creator.ready')}</dt>
            <dd>{formatMoney(readyMinor, currency)}</dd>
            <dd class="figure-unit">{t('creator.readyHint')}</dd>
          </div>,
          <div class="figure" key={`${currency} waiting`}>
            <dt>{t('creator.waiting')}</dt>
            <dd>{formatMoney(waitingMinor, currency)}</dd>
            <dd class="figure-unit">{t('creator.waitingHint')}</dd>
          </div>,
        ])}
        <div class="figure">
          <dt>{t('creator.share')}</dt>
          <dd>{formatPercent(me.shareBps / 10_000)}</dd>
          <dd class="figure-unit">{t('creator.since', { date: formatDate(me.since) })}</dd>
        </div>
      </dl>
      {me.canBePaid && <PayoutAccounts />}
      <Payouts />
    </>
  );
}
