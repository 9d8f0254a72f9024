/** Where one goes on when tokens are out. Nothing for any other error. */
import { t } from '../i18n/translate.ts';
import { pathTo } from '../router.ts';
import { errorCode } from '../session/error-text.ts';
import { Link } from '../shell/link.tsx';

/** An organisation's month is not bought longer by its member; his own bought tokens do not count against it. */
const outOfTokens = new Set([
  'billing.insufficient_tokens',
  'billing.monthly_cap_reached',
  'billing.organization_cap_reached',
]);

export const isOutOfTokens = (error: unknown): boolean => outOfTokens.has(errorCode(error) ?? '');

export function WayOut({ error }: { error: unknown }) {
  if (!isOutOfTokens(error)) return null;
  return (
    <Link to={pathTo.plan} class="button primary small">
      {t('money.wayOut')}
    </Link>
  );
}
