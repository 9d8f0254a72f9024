import { expect, it } from 'vitest';
import { formatMoney } from './money.ts';
import { lang } from './translate.ts';

it('knows how small the smallest unit of a currency is', () => {
  lang.value = 'en';
  expect(formatMoney(1980, 'jpy')).toBe('¥1,980');
  expect(formatMoney(1980, 'USD')).toBe('$19.80');
  expect(formatMoney(-50, 'usd')).toBe('-$0.50');
  lang.value = 'ja';
  expect(formatMoney(1980, 'jpy')).toBe('￥1,980');
  lang.value = 'en';
});
