/** What an entry of the ledger was for, in words. */
import { isTextKey, t } from '../i18n/translate.ts';

/** A purpose of a newer server is shown as it came. */
export function purposeText(purpose: string): string {
  const key = `usage.purpose.${purpose}`;
  return isTextKey(key) ? t(key) : purpose;
}
