/** The plan of the account: how much of the month is used, what happens at its end, and at the cap. */
import { useSignal } from '@preact/signals';
import type { Subscription } from '../../../protocol/billing-plans.ts';
import { formatDate, formatNumber } from '../i18n/format.ts';
import { lang, type TextKey, t } from '../i18n/translate.ts';
import { errorText } from '../session/error-text.ts';
import { Confirm } from '../ui/dialog.tsx';
import { Segmented } from '../ui/field.tsx';
import { Icon } from '../ui/icons.tsx';
import { LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { CapMeter } from '../usage/cap-meter.tsx';
import { cancelPlan, isPaid, resumePlan, setAtCap, subscription } from './store.ts';

const tell = (error: unknown): void => notify(errorText(error), 'wrong');
/** States that somebody has to do something about. */
const troubles: Readonly<Partial<Record<Subscription['status'], TextKey>>> = {
  past_due: 'plan.pastDue',
  unpaid: 'plan.unpaid',
  paused: 'plan.paused',
  trialing: 'plan.trialing',
};

export function PlanCard() {
  return (
    <LoadedPanel title={t('plan.title')} what={subscription}>
      {(now) => (
        <div class="plan-card">
          <p class="plan-name" dir="auto">
            {now.name[lang.value]}
          </p>
          <p class="field-hint">
            {t('money.monthRange', { start: formatDate(now.periodStart), end: formatDate(now.periodEnd) })}
            {now.monthlyTokens > 0 && ` · ${t('plan.grants', { count: formatNumber(now.monthlyTokens) })}`}
          </p>
          <Trouble status={now.status} />
          <CapMeter label={t('money.meter')} usedTokens={now.usedTokens} capTokens={now.monthlyTokenLimit} />
          {now.organization !== null && (
            <>
              <h3>{t('plan.organization', { name: now.organization.name })}</h3>
              <CapMeter
                label={t('plan.organizationMeter')}
                usedTokens={now.organization.usedTokens}
                capTokens={now.organization.monthlyTokenLimit}
              />
            </>
          )}
          <Segmented
            label={t('money.atCap')}
            choices={[
              { value: 'stop', text: t('money.atCap.stop') },
              { value: 'use_bought', text: t('money.atCap.use_bought') },
            ]}
            value={now.atCap}
            onValue={(value) => void setAtCap(value).then(() => notify(t('saved')), tell)}
          />
          <NextPeriod now={now} />
        </div>
      )}
    </LoadedPanel>
  );
}

function Trouble({ status }: { status: Subscription['status'] }) {
  const text = troubles[status];
  if (text === undefined) return null;
  return (
    <p class={status === 'trialing' ? 'note' : 'month-warning'}>
      {status !== 'trialing' && <Icon name="alert" size={17} />}
      {t(text)}
    </p>
  );
}

function NextPeriod({ now }: { now: Subscription }) {
  const asking = useSignal(false);
  const { scheduled, paidUntil } = now;
  if (!isPaid(now)) return null;
  return (
    <div class="button-row plan-next">
      {scheduled !== null && (
        <p class="note">{t('plan.scheduled', { name: scheduled.name[lang.value], date: formatDate(scheduled.at) })}</p>
      )}
      {scheduled !== null ? (
        <button type="button" class="button small" onClick={() => void resumePlan().catch(tell)}>
          {t('plan.resume')}
        </button>
      ) : (
        <button
          type="button"
          class="button quiet small wrong"
          onClick={() => {
            asking.value = true;
          }}
        >
          {t('plan.cancel')}
        </button>
      )}
      {asking.value && (
        <Confirm
          title={t('plan.cancelTitle')}
          text={t('plan.cancelText', { date: formatDate(paidUntil ?? now.periodEnd) })}
          action={t('plan.cancel')}
          onConfirm={() => {
            asking.value = false;
            void cancelPlan().catch(tell);
          }}
          onClose={() => {
            asking.value = false;
          }}
        />
      )}
    </div>
  );
}
