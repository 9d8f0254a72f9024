/** Amounts of money as the person reads them. */
import { lang } from './translate.ts';

/** @param amountMinor in the smallest unit of the currency: yen have none smaller, dollars have cents. */
export function formatMoney(amountMinor: number, currency: string): string {
  const format = new Intl.NumberFormat(lang.value, { style: 'currency', currency: currency.toUpperCase() });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 0;
  return format.format(amountMinor / 10 ** digits);
}
