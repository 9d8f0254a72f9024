/** Says in passing that the account is open elsewhere, too. Nothing is shown to who is alone. */
import { t } from '../i18n/translate.ts';
import { pathTo } from '../router.ts';
import { Link } from '../shell/link.tsx';
import { elsewhere } from './store.ts';

export function ElsewhereMark({ onFollow }: { onFollow?: () => void }) {
  const count = elsewhere.value;
  if (count === 0) return null;
  return (
    <Link to={pathTo.settings} class="elsewhere" {...(onFollow === undefined ? {} : { onFollow })}>
      {t('devices.elsewhere', { count: count + 1 })}
    </Link>
  );
}
