/** The plans to choose from. */
import { useSignal } from '@preact/signals';
import type { Plan } from '../../../protocol/billing-plans.ts';
import { formatNumber } from '../i18n/format.ts';
import { formatMoney } from '../i18n/money.ts';
import { lang, t } from '../i18n/translate.ts';
import { products } from '../money/store.ts';
import { errorText } from '../session/error-text.ts';
import { Confirm } from '../ui/dialog.tsx';
import { LoadedPanel } from '../ui/loaded-panel.tsx';
import { notify } from '../ui/notices.tsx';
import { choosePlan, isPaid, plans, subscription } from './store.ts';

export function PlanList() {
  return (
    <LoadedPanel title={t('plan.choose')} what={plans}>
      {(list) => (
        <ul class="offers plans">
          {list.map((plan) => (
            <PlanOffer key={plan.planId} plan={plan} />
          ))}
        </ul>
      )}
    </LoadedPanel>
  );
}

function PlanOffer({ plan }: { plan: Plan }) {
  const name = plan.name[lang.value];
  return (
    <li class={plan.current ? 'offer offer-current' : 'offer'}>
      <strong dir="auto">{name}</strong>
      <span class="offer-price">
        <Price plan={plan} />
      </span>
      <ul class="offer-note">
        <li>{t('plan.grants', { count: formatNumber(plan.monthlyTokens) })}</li>
        <li>
          {plan.monthlyTokenLimit === null
            ? t('plan.noCap')
            : t('plan.cap', { count: formatNumber(plan.monthlyTokenLimit) })}
        </li>
        <li>{t('plan.avatars', { count: formatNumber(plan.avatarLimit) })}</li>
      </ul>
      {plan.current ? <span class="chip chip-good">{t('plan.current')}</span> : <Choose plan={plan} name={name} />}
    </li>
  );
}

/** Less than what the account is on: not what is put forward. */
function isLess({ amountMinor }: Plan): boolean {
  const own = plans.value?.find(({ current }) => current);
  return own !== undefined && amountMinor < own.amountMinor;
}

/** The amount large, what it is for beside it. */
function Price({ plan }: { plan: Plan }) {
  if (plan.amountMinor === 0) return <>{t('plan.free')}</>;
  const [before, after] = t(plan.interval === 'year' ? 'plan.perYear' : 'plan.perMonth', { price: '|' }).split('|');
  return (
    <>
      {before && <small>{before}</small>}
      {formatMoney(plan.amountMinor, plan.currency)}
      {after && <small>{after}</small>}
    </>
  );
}

function Choose({ plan, name }: { plan: Plan; name: string }) {
  const asking = useSignal(false);
  const busy = useSignal(false);
  const now = subscription.value;
  const off = products.value?.buying === 'off';
  // Free follows by itself when a paid plan ends; without a provider nothing can be begun.
  if (now === undefined || now.scheduled?.planId === plan.planId || (!isPaid(now) && (plan.amountMinor === 0 || off)))
    return null;
  const choose = async () => {
    asking.value = false;
    busy.value = true;
    try {
      await choosePlan(plan);
    } catch (error) {
      notify(errorText(error), 'wrong');
    } finally {
      busy.value = false;
    }
  };
  return (
    <>
      <button
        type="button"
        class={isLess(plan) ? 'button small' : 'button primary small'}
        aria-label={t('plan.takeNamed', { name })}
        aria-busy={busy.value}
        disabled={busy.value}
        onClick={() => {
          // A checkout asks by itself; a running plan is changed at once.
          if (isPaid(now)) asking.value = true;
          else void choose();
        }}
      >
        {t('plan.take')}
      </button>
      {asking.value && (
        <Confirm
          title={t('plan.changeTitle', { name })}
          text={t('plan.changeText')}
          action={t('plan.take')}
          onConfirm={() => void choose()}
          onClose={() => {
            asking.value = false;
          }}
        />
      )}
    </>
  );
}
