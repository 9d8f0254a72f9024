/** Amounts of money as the person reads them. */
import { minorDigits } from '../../../protocol/currency.ts';
import { lang } from './translate.ts';

/** @param amountMinor in the smallest unit of the currency: yen have none smaller, dollars have cents. */
export function formatMoney(amountMinor: number, currency: string): string {
  const digits = minorDigits(currency);
  const format = new Intl.NumberFormat(lang.value, {
    style: 'currency',
    currency: currency.toUpperCase(),
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return format.format(amountMinor / 10 ** digits);
}

/** As it stands in a field: no sign of the currency, no marks between thousands. */
export function formatPlain(amountMinor: number, currency: string): string {
  const digits = minorDigits(currency);
  return (amountMinor / 10 ** digits).toFixed(digits);
}

/** What somebody typed, in the smallest unit. Undefined when it is no amount of this currency. */
export function minorOf(text: string, currency: string): number | undefined {
  const plain = text.normalize('NFKC').trim().replace(/[,\s]/g, '');
  if (!/^\d{1,12}(\.\d+)?$/.test(plain)) return undefined;
  const minor = Number(plain) * 10 ** minorDigits(currency);
  const whole = Math.round(minor);
  return Math.abs(minor - whole) < 1e-6 ? whole : undefined;
}
