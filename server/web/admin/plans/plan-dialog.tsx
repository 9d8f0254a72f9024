/** Changes a plan, or adds one. The server checks everything again. */
import { useSignal } from '@preact/signals';
import type { PlanRecord } from '../../../billing/plans/admin-shapes.ts';
import { t } from '../../i18n/translate.ts';
import { errorText } from '../../session/error-text.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';
import { type PlanDraft, type PlanFault, readPlan, toDraft } from './plan-draft.ts';
import { changePlan, createPlan } from './store.ts';

type PlanDialogProps = { plan: PlanRecord | undefined; currency: string; onClose: () => void };

export function PlanDialog({ plan, currency, onClose }: PlanDialogProps) {
  const draft = useSignal<PlanDraft>(toDraft(plan, currency));
  const faults = useSignal<Readonly<Partial<Record<keyof PlanDraft, PlanFault>>>>({});
  const failure = useSignal<string | undefined>(undefined);
  const busy = useSignal(false);
  const save = async () => {
    const read = readPlan(draft.value, plan);
    faults.value = read.faults;
    if (read.plan === undefined) return;
    busy.value = true;
    failure.value = undefined;
    const { planId, ...terms } = read.plan;
    try {
      if (plan === undefined) await createPlan({ planId, ...terms });
      else await changePlan(planId, terms);
      onClose();
    } catch (error) {
      failure.value = errorText(error);
    } finally {
      busy.value = false;
    }
  };
  const field = (name: keyof PlanDraft, label: string, hint?: string) => (
    <TextField
      label={label}
      hint={hint}
      value={draft.value[name]}
      error={faults.value[name] === undefined ? undefined : t(`plans.${faults.value[name]}`)}
      onValue={(value) => {
        draft.value = { ...draft.value, [name]: value };
      }}
    />
  );
  return (
    <Dialog kind="dialog" title={plan === undefined ? t('plans.new') : t('plans.edit')} onClose={onClose}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy.value) void save();
        }}
      >
        {plan === undefined && field('planId', t('plans.id'), t('plans.idHint'))}
        {field('nameEn', t('plans.nameEn'))}
        {field('nameJa', t('plans.nameJa'))}
        {plan?.amountMinor !== 0 &&
          field('price', t('plans.price'), t('plans.priceIn', { currency: draft.value.currency.toUpperCase() }))}
        {field('avatarLimit', t('plans.avatars'))}
        {field('monthlyTokens', t('plans.monthlyTokens'))}
        {field('monthlyTokenLimit', t('plans.cap'), t('plans.capHint'))}
        {failure.value !== undefined && (
          <p class="form-error" role="alert">
            {failure.value}
          </p>
        )}
        <div class="button-row end">
          <button type="button" class="button quiet" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" class="button primary" aria-busy={busy.value} disabled={busy.value}>
            {t('save')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
