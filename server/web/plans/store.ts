/** The plan of the account, the plans there are, and warnings when a month's tokens run out. */
import { effect } from '@preact/signals';
import type { Plan, Subscription } from '../../../protocol/billing-plans.ts';
import { formatNumber } from '../i18n/format.ts';
import { t } from '../i18n/translate.ts';
import { buy } from '../money/store.ts';
import { client, currentClient, onSignedOut } from '../session/store.ts';
import { Loaded } from '../ui/loadable.ts';
import { announce, notify } from '../ui/notices.tsx';
import { balance } from '../usage/store.ts';

export const plans = new Loaded<readonly Plan[]>(async () => (await client().request('billing.plans', {})).plans);
export const subscription = new Loaded<Subscription>(() => client().request('billing.subscription', {}));
onSignedOut(() => {
  plans.reset();
  subscription.reset();
});

/** How a paid plan stands at the provider; a free one and one that never began do not count. */
export const isPaid = ({ status }: Subscription): boolean => status !== 'free' && status !== 'incomplete';

/** Changes a paid plan; who has none leaves for the checkout. @throws TsumugiError */
export async function choosePlan(plan: Plan): Promise<void> {
  const now = subscription.value;
  if (now === undefined || !isPaid(now)) return buy('plan', plan.planId);
  subscription.set(await client().request('billing.change_plan', { planId: plan.planId }));
  await plans.load();
}

export async function cancelPlan(): Promise<void> {
  subscription.set(await client().request('billing.cancel_plan', {}));
}

export async function resumePlan(): Promise<void> {
  subscription.set(await client().request('billing.resume_plan', {}));
}

export async function setAtCap(atCap: Subscription['atCap']): Promise<void> {
  subscription.set(await client().request('billing.set_at_cap', { atCap }));
}

/** Hears of changes and warnings on whatever screen. Call once. */
export function startPlanNews(): void {
  let unfollow: (() => void)[] = [];
  effect(() => {
    const following = currentClient.value;
    for (const end of unfollow) end();
    unfollow =
      following === undefined
        ? []
        : [
            following.on('billing.subscription', (now) => {
              subscription.set(now);
              if (plans.now.peek().state !== 'idle') void plans.load();
            }),
            following.on('billing.quota_warning', ({ scope, percent, usedTokens, monthlyTokenLimit }) => {
              const text = t(`plan.warn.${scope}.${percent}`, {
                used: formatNumber(usedTokens),
                cap: formatNumber(monthlyTokenLimit),
              });
              notify(text, percent === 100 ? 'wrong' : 'plain');
              announce(text);
              for (const each of [subscription, balance]) if (each.now.peek().state !== 'idle') void each.load();
            }),
          ];
  });
}
