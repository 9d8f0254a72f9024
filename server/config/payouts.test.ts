import { expect, test } from 'vitest';
import { loadConfig } from '../config.ts';

test('what a payout must come to is given by currency', () => {
  expect(loadConfig({}).payoutMinimum).toEqual({ JPY: 1000, USD: 1000, EUR: 1000 });
  expect(loadConfig({ PAYOUT_MINIMUM: ' JPY:3000, USD:0 ' }).payoutMinimum).toEqual({ JPY: 3000, USD: 0 });
  for (const wrong of ['JPY', 'jpy:1', 'JPY:-1', 'JPY:1.5', 'JPY:1,JPY:2', 'JPY:1,', 'JPY:9999999999999'])
    expect(() => loadConfig({ PAYOUT_MINIMUM: wrong })).toThrow('PAYOUT_MINIMUM: expected amounts by currency');
  expect(() => loadConfig({ PAYOUT_FEE: 'JPY:1,YEN:1' })).toThrow(
    'PAYOUT_FEE: expected a currency of ISO 4217 instead of YEN',
  );
});

test('the time zone of payouts is one that exists', () => {
  expect(loadConfig({ PAYOUT_TIME_ZONE: 'America/New_York' }).payoutTimeZone).toBe('America/New_York');
  for (const wrong of ['Tokyo', 'Asia/Nowhere', '+09:00', "Asia/Tokyo'", 'EST5EDT'])
    expect(() => loadConfig({ PAYOUT_TIME_ZONE: wrong })).toThrow('PAYOUT_TIME_ZONE: expected a time zone');
});
