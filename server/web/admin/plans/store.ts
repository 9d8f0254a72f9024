/** Plans over the operators' interface. */
import type { ChangeBody, CreateBody, PlanList } from '../../../billing/plans/admin-shapes.ts';
import { onSignedOut, requestAsAccount } from '../../session/store.ts';
import { Loaded } from '../../ui/loadable.ts';

export const allPlans = new Loaded<PlanList>(() => requestAsAccount('GET', '/admin/plans'));
onSignedOut(() => allPlans.reset());

export async function changePlan(planId: string, change: ChangeBody): Promise<void> {
  await requestAsAccount('PUT', `/admin/plans/${encodeURIComponent(planId)}`, change);
  await allPlans.load();
}

export async function createPlan(plan: CreateBody): Promise<void> {
  await requestAsAccount('POST', '/admin/plans', plan);
  await allPlans.load();
}
