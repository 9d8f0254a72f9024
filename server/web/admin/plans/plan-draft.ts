/** A plan as an operator types it, and back. Pure. */
import type { PlanRecord } from '../../../billing/plans/admin-shapes.ts';
import { formatPlain, minorOf } from '../../i18n/money.ts';

export type PlanDraft = Readonly<{
  planId: string;
  nameEn: string;
  nameJa: string;
  price: string;
  currency: string;
  avatarLimit: string;
  monthlyTokens: string;
  /** Empty: no limit. */
  monthlyTokenLimit: string;
}>;
/** `needed`: left empty. `number`: not a whole number. */
export type PlanFault = 'needed' | 'number';
type Read = {
  plan: Omit<PlanRecord, 'active' | 'sort'> | undefined;
  faults: Readonly<Partial<Record<keyof PlanDraft, PlanFault>>>;
};

/** @param currency of a new plan. */
export function toDraft(plan: PlanRecord | undefined, currency: string): PlanDraft {
  if (plan === undefined) {
    const empty = { planId: '', nameEn: '', nameJa: '', price: '', avatarLimit: '', monthlyTokens: '' };
    return { ...empty, currency, monthlyTokenLimit: '' };
  }
  return {
    planId: plan.planId,
    nameEn: plan.name.en,
    nameJa: plan.name.ja,
    price: formatPlain(plan.amountMinor, plan.currency),
    currency: plan.currency,
    avatarLimit: String(plan.avatarLimit),
    monthlyTokens: String(plan.monthlyTokens),
    monthlyTokenLimit: plan.monthlyTokenLimit === null ? '' : String(plan.monthlyTokenLimit),
  };
}

/** @param before the plan that is changed. */
export function readPlan(draft: PlanDraft, before: PlanRecord | undefined): Read {
  const faults: Partial<Record<keyof PlanDraft, PlanFault>> = {};
  const count = (name: 'avatarLimit' | 'monthlyTokens' | 'monthlyTokenLimit'): number => {
    const plain = draft[name].normalize('NFKC').replace(/[,\s]/g, '');
    if (!/^\d{1,13}$/.test(plain)) faults[name] = plain === '' ? 'needed' : 'number';
    return Number(plain);
  };
  for (const name of ['planId', 'nameEn', 'nameJa'] as const) if (draft[name].trim() === '') faults[name] = 'needed';
  const amountMinor = before?.amountMinor === 0 ? 0 : minorOf(draft.price, draft.currency);
  if (amountMinor === undefined) faults.price = draft.price.trim() === '' ? 'needed' : 'number';
  const plan = {
    planId: draft.planId.trim(),
    name: { en: draft.nameEn.trim(), ja: draft.nameJa.trim() },
    amountMinor: amountMinor ?? 0,
    currency: draft.currency,
    interval: before?.interval ?? ('month' as const),
    avatarLimit: count('avatarLimit'),
    monthlyTokens: count('monthlyTokens'),
    monthlyTokenLimit: draft.monthlyTokenLimit.trim() === '' ? null : count('monthlyTokenLimit'),
  };
  return { plan: Object.keys(faults).length === 0 ? plan : undefined, faults };
}
