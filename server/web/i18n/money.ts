/** Amounts of money as the person reads them. */
import { lang } from './translate.ts';

const formatOf = (currency: string) =>
  new Intl.NumberFormat(lang.value, { style: 'currency', currency: currency.toUpperCase() });
const unitOf = (format: Intl.NumberFormat): number => 10 ** (format.resolvedOptions().maximumFractionDigits ?? 0);

/** @param amountMinor in the smallest unit of the currency: yen have none smaller, dollars have cents. */
export function formatMoney(amountMinor: number, currency: string): string {
  const format = formatOf(currency);
  return format.format(amountMinor / unitOf(format));
}

/** As it stands in a field: no sign of the currency, no marks between thousands. */
export function formatPlain(amountMinor: number, currency: string): string {
  const digits = formatOf(currency).resolvedOptions().maximumFractionDigits ?? 0;
  return (amountMinor / 10 ** digits).toFixed(digits);
}

/** What somebody typed, in the smallest unit. Undefined when it is no amount of this currency. */
export function minorOf(text: string, currency: string): number | undefined {
  const plain = text.normalize('NFKC').trim().replace(/[,\s]/g, '');
  if (!/^\d{1,12}(\.\d+)?$/.test(plain)) return undefined;
  const minor = Number(plain) * unitOf(formatOf(currency));
  const whole = Math.round(minor);
  return Math.abs(minor - whole) < 1e-6 ? whole : undefined;
}
