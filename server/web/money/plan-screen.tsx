/** The plan, what can be bought, and what was. */
import { useEffect } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { PlanCard } from '../plans/plan-card.tsx';
import { PlanList } from '../plans/plan-list.tsx';
import { plans, subscription } from '../plans/store.ts';
import { Screen } from '../shell/screen.tsx';
import { BalanceFigures } from '../usage/balance-figures.tsx';
import { balance } from '../usage/store.ts';
import { Entitlements, Tickets } from './belongings.tsx';
import { Offers } from './offers.tsx';
import { PaymentMethods, Purchases } from './payments.tsx';
import { loadMoney } from './store.ts';

export function PlanScreen() {
  useEffect(() => {
    void balance.load();
    void subscription.load();
    void plans.load();
    void loadMoney();
  }, []);
  return (
    <Screen title={t('money.title')}>
      <BalanceFigures />
      <PlanCard />
      <PlanList />
      <Offers />
      <Tickets />
      <Entitlements />
      <Purchases />
      <PaymentMethods />
    </Screen>
  );
}
