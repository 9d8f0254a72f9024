/** The plans there are, offered or not, and changing them. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { PlanRecord } from '../../../billing/plans/admin-shapes.ts';
import { formatNumber } from '../../i18n/format.ts';
import { formatMoney } from '../../i18n/money.ts';
import { lang, t } from '../../i18n/translate.ts';
import { LoadedPanel } from '../../ui/loaded-panel.tsx';
import { tell } from '../tell.ts';
import { PlanDialog } from './plan-dialog.tsx';
import { allPlans, changePlan } from './store.ts';

export function PlansPart() {
  const edited = useSignal<PlanRecord | 'new' | undefined>(undefined);
  useEffect(() => void allPlans.load(), []);
  return (
    <LoadedPanel
      title={t('plans.title')}
      hint={t('plans.hint')}
      what={allPlans}
      aside={
        <button
          type="button"
          class="button quiet small"
          onClick={() => {
            edited.value = 'new';
          }}
        >
          {t('plans.new')}
        </button>
      }
    >
      {({ plans }) => (
        <>
          <ul class="rows">
            {plans.map((plan) => (
              <PlanRow
                key={plan.planId}
                plan={plan}
                onEdit={() => {
                  edited.value = plan;
                }}
              />
            ))}
          </ul>
          {edited.value !== undefined && (
            <PlanDialog
              plan={edited.value === 'new' ? undefined : edited.value}
              currency={plans.find(({ amountMinor }) => amountMinor > 0)?.currency ?? 'jpy'}
              onClose={() => {
                edited.value = undefined;
              }}
            />
          )}
        </>
      )}
    </LoadedPanel>
  );
}

function PlanRow({ plan, onEdit }: { plan: PlanRecord; onEdit: () => void }) {
  const name = plan.name[lang.value];
  const price = formatMoney(plan.amountMinor, plan.currency);
  return (
    <li class="row">
      <span class="row-words">
        <strong>
          <bdi>{name}</bdi> <code>{plan.planId}</code>
        </strong>
        <span>
          {[
            t(plan.interval === 'year' ? 'plan.perYear' : 'plan.perMonth', { price }),
            t('plan.grants', { count: formatNumber(plan.monthlyTokens) }),
            plan.monthlyTokenLimit === null
              ? t('plan.noCap')
              : t('plan.cap', { count: formatNumber(plan.monthlyTokenLimit) }),
            t('plan.avatars', { count: formatNumber(plan.avatarLimit) }),
          ].join(' · ')}
        </span>
      </span>
      <span class="row-end">
        <span class={plan.active ? 'chip chip-good' : 'chip'}>
          {t(plan.active ? 'plans.offered' : 'plans.notOffered')}
        </span>
        {plan.amountMinor > 0 && (
          <button
            type="button"
            class="button quiet small"
            onClick={() => void changePlan(plan.planId, { active: !plan.active }).catch(tell)}
          >
            {t(plan.active ? 'plans.stopOffer' : 'plans.offer')}
          </button>
        )}
        <button type="button" class="button quiet small" aria-label={t('plans.editNamed', { name })} onClick={onEdit}>
          {t('plans.edit')}
        </button>
      </span>
    </li>
  );
}
