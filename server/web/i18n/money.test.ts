import { expect, it } from 'vitest';
import { formatMoney, formatPlain, minorOf } from './money.ts';
import { lang } from './translate.ts';

it('knows how small the smallest unit of a currency is', () => {
  lang.value = 'en';
  expect(formatMoney(1980, 'jpy')).toBe('¥1,980');
  expect(formatMoney(1980, 'USD')).toBe('$19.80');
  expect(formatMoney(-50, 'usd')).toBe('-$0.50');
  expect(formatMoney(12_345, 'kwd').replace(/\s/, ' ')).toBe('KWD 12.345');
  // Without a fraction in daily life, and in hundredths at the provider.
  expect(formatMoney(199_000, 'huf').replace(/\s/, ' ')).toBe('HUF 1,990.00');
  expect(formatPlain(199_000, 'idr')).toBe('1990.00');
  lang.value = 'ja';
  expect(formatMoney(1980, 'jpy')).toBe('￥1,980');
  lang.value = 'en';
});

it('reads what an operator types as an amount', () => {
  expect(minorOf('500', 'jpy')).toBe(500);
  expect(minorOf('１，０００', 'jpy')).toBe(1000);
  expect(minorOf('19.99', 'usd')).toBe(1999);
  expect(minorOf('0.07', 'usd')).toBe(7);
  for (const wrong of ['', '-5', '1.5e3', 'ten', '500.5']) expect(minorOf(wrong, 'jpy'), wrong).toBeUndefined();
  expect(minorOf('1.005', 'usd')).toBeUndefined();
  expect(minorOf('1.005', 'kwd')).toBe(1005);
  expect(minorOf('1990', 'huf')).toBe(199_000);
});
