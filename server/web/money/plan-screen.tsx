/** The plan, what can be bought, and what was. */
import { useEffect } from 'preact/hooks';
import { t } from '../i18n/translate.ts';
import { Screen } from '../shell/screen.tsx';
import { BalanceFigures } from '../usage/balance-figures.tsx';
import { MonthCard } from '../usage/month-card.tsx';
import { balance } from '../usage/store.ts';
import { Entitlements, Tickets } from './belongings.tsx';
import { Offers } from './offers.tsx';
import { PaymentMethods, Purchases } from './payments.tsx';
import { loadMoney } from './store.ts';

export function PlanScreen() {
  useEffect(() => {
    void balance.load();
    void loadMoney();
  }, []);
  return (
    <Screen title={t('money.title')}>
      <BalanceFigures />
      <MonthCard />
      <Offers />
      <Tickets />
      <Entitlements />
      <Purchases />
      <PaymentMethods />
    </Screen>
  );
}
