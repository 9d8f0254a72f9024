/** The commands of plans: parsed body in, service, reply out. */
import type { Handlers } from '../../handlers.ts';
import type { PlanService } from './service.ts';

type Types =
  | 'billing.plans'
  | 'billing.subscription'
  | 'billing.set_at_cap'
  | 'billing.change_plan'
  | 'billing.cancel_plan'
  | 'billing.resume_plan';

export function planFrames(plans: PlanService): Handlers<Types> {
  return {
    'billing.plans': async ({ userId }) => ({ plans: await plans.plans(userId) }),
    'billing.subscription': ({ userId }) => plans.subscription(userId),
    'billing.set_at_cap': ({ userId }, { atCap }) => plans.setAtCap(userId, atCap),
    'billing.change_plan': ({ userId }, { planId }) => plans.changePlan(userId, planId),
    'billing.cancel_plan': ({ userId }) => plans.setCancel(userId, true),
    'billing.resume_plan': ({ userId }) => plans.setCancel(userId, false),
  };
}
