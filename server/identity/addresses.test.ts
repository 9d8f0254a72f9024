import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { networkOf, plainAddress } from './addresses.ts';

test.each([
  ['203.0.113.77', '203.0.113.0/24'],
  ['::ffff:203.0.113.77', '203.0.113.0/24'],
  ['::ffff:cb00:714d', '203.0.113.0/24'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
  ['2001:0db8::1', '2001:db8:0::/48'],
  ['fe80::1%eth0', 'fe80:0:0::/48'],
  ['::1', '0:0:0::/48'],
  ['not an address', undefined],
  ['', undefined],
])('004-R19, X-Q2: of %s only %s is kept in clear', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('any IPv6 address gives a network that says nothing of its last 80 bits', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      fc.pre(isIPv6(address) && plainAddress(address) === address);
      expect(networkOf(address)).toMatch(/^([0-9a-f]{1,4}:){2}[0-9a-f]{1,4}::\/48$/);
    }),
  );
});
