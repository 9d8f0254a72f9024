/** Operation, in parts: what runs, the ledger, purchases, payouts. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { type TextKey, t } from '../i18n/translate.ts';
import { type AdminPart, adminParts, pathTo } from '../router.ts';
import { Link } from '../shell/link.tsx';
import { Screen } from '../shell/screen.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { Icon } from '../ui/icons.tsx';
import { notify } from '../ui/notices.tsx';
import { LedgerPart } from './ledger/ledger-part.tsx';
import { Connections, Events, Generations } from './live.tsx';
import { PayoutsPart } from './payouts/payouts-part.tsx';
import { PlansPart } from './plans/plans-part.tsx';
import { PurchasesPart } from './purchases/purchases-part.tsx';
import { drain, refreshAll } from './store.ts';
import { tell } from './tell.ts';
import { Users } from './users.tsx';

const titles: Readonly<Record<AdminPart, TextKey>> = {
  live: 'admin.part.live',
  ledger: 'admin.part.ledger',
  plans: 'admin.part.plans',
  purchases: 'admin.part.purchases',
  payouts: 'admin.part.payouts',
};

export function AdminScreen({ part }: { part: AdminPart }) {
  return (
    <Screen title={t('admin.title')} {...(part === 'live' ? { aside: <LiveActions /> } : {})}>
      <nav class="tabs" aria-label={t('admin.parts')}>
        {adminParts.map((each) => (
          <Link key={each} to={pathTo.adminPart(each)} class="tab">
            {t(titles[each])}
          </Link>
        ))}
      </nav>
      {part === 'live' && <LivePart />}
      {part === 'ledger' && <LedgerPart />}
      {part === 'plans' && <PlansPart />}
      {part === 'purchases' && <PurchasesPart />}
      {part === 'payouts' && <PayoutsPart />}
    </Screen>
  );
}

function LivePart() {
  useEffect(() => void refreshAll(), []);
  return (
    <>
      <Connections />
      <Generations />
      <Users />
      <Events />
    </>
  );
}

function LiveActions() {
  const draining = useSignal(false);
  return (
    <div class="button-row">
      <button type="button" class="button quiet small" onClick={() => void refreshAll()}>
        <Icon name="again" size={17} />
        {t('admin.refresh')}
      </button>
      <button
        type="button"
        class="button quiet small wrong"
        onClick={() => {
          draining.value = true;
        }}
      >
        {t('admin.drain')}
      </button>
      {draining.value && (
        <Confirm
          title={t('admin.drainTitle')}
          text={t('admin.drainText')}
          action={t('admin.drain')}
          onConfirm={() => {
            draining.value = false;
            drain().then(() => notify(t('admin.draining')), tell);
          }}
          onClose={() => {
            draining.value = false;
          }}
        />
      )}
    </div>
  );
}
