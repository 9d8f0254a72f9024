import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isAppError } from '../../errors.ts';
import { sign } from './offline/webhooks.ts';
import { verifyEvent } from './signature.ts';

const secret = 'whsec_right';
const nowMs = 1_800_000_000_000;
const nowS = nowMs / 1000;
const body = JSON.stringify({ id: 'evt_1', object: 'event', note: '支払い' });
const verify = (header: string | undefined, text = body, secrets = [secret], atMs = nowMs) =>
  verifyEvent(Buffer.from(text), header, secrets, atMs);
const refused = (work: () => unknown) => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return isAppError(error) ? error.code : error;
  }
};

test('what the provider signed now is read', () => {
  expect(verify(sign(body, secret, nowS))).toMatchObject({ id: 'evt_1', note: '支払い' });
});

test('while a secret is changed either one is good', () => {
  expect(verify(sign(body, 'whsec_new', nowS), body, [secret, 'whsec_new'])).toMatchObject({ id: 'evt_1' });
  const both = `${sign(body, 'whsec_old', nowS)},${sign(body, secret, nowS).split(',')[1]}`;
  expect(verify(both)).toMatchObject({ id: 'evt_1' });
});

describe('the time counts in both directions', () => {
  test.each([
    [0, 'accepted'],
    [-300, 'accepted'],
    [300, 'accepted'],
    [-301, 'billing.invalid_signature'],
    [301, 'billing.invalid_signature'],
    [86_400 * 365, 'billing.invalid_signature'],
  ])('%d seconds away', (away, outcome) => {
    expect(refused(() => verify(sign(body, secret, nowS + away)))).toBe(outcome);
  });

  test('a second time in the header does not lend a replay a new one', () => {
    const old = sign(body, secret, nowS - 1000);
    expect(refused(() => verify(`t=${nowS},${old}`))).toBe('billing.invalid_signature');
    expect(refused(() => verify(`${old},t=${nowS}`))).toBe('billing.invalid_signature');
    expect(refused(() => verify(`${old}, t=${nowS}`))).toBe('billing.invalid_signature');
  });
});

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['no signature', `t=${nowS}`],
  ['no time', sign(body, secret, nowS).split(',')[1]],
  ['another scheme', sign(body, secret, nowS).replace('v1=', 'v0=')],
  ['another secret', sign(body, 'whsec_wrong', nowS)],
  ['a time that is none', sign(body, secret, nowS).replace(`t=${nowS}`, 't=NaN')],
  ['a huge one', `${sign(body, secret, nowS)},${'v1=00,'.repeat(2_000)}`],
])('%s is refused', (_, header) => {
  expect(refused(() => verify(header))).toBe('billing.invalid_signature');
});

test('any change of a byte is noticed', () => {
  const header = sign(body, secret, nowS);
  fc.assert(
    fc.property(fc.nat({ max: Buffer.byteLength(body) - 1 }), fc.integer({ min: 1, max: 255 }), (place, by) => {
      const changed = Buffer.from(body);
      changed[place] = (changed[place] ?? 0) ^ by;
      expect(refused(() => verifyEvent(changed, header, [secret], nowMs))).toBe('billing.invalid_signature');
    }),
  );
});

test('signed nonsense is refused and nothing else', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      const outcome = refused(() => verify(sign(text, secret, nowS), text));
      expect(['accepted', 'billing.invalid_signature']).toContain(outcome);
    }),
  );
});
