/** Network addresses as far as they may be kept in clear: /24 of IPv4, /48 of IPv6 (004-R19, X-Q2). */
import { isIPv4, isIPv6 } from 'node:net';

/** @returns the surrounding network in CIDR notation; undefined for what is no address. */
export function networkOf(address: string): string | undefined {
  const plain = plainAddress(address);
  if (isIPv4(plain)) return `${plain.split('.').slice(0, 3).join('.')}.0/24`;
  if (!isIPv6(plain)) return undefined;
  return `${expandIPv6(plain).slice(0, 3).join(':')}::/48`;
}

/** Without zone, and an IPv4 address that came through an IPv6 socket as what it is. */
export function plainAddress(address: string): string {
  const [plain = ''] = address.split('%');
  const groups = isIPv6(plain) ? expandIPv6(plain) : [];
  if (groups.length === 0 || groups.slice(0, 5).some((group) => group !== '0') || groups[5] !== 'ffff') return plain;
  return groups
    .slice(6)
    .map((group) => Number.parseInt(group, 16))
    .map((word) => `${word >> 8}.${word & 255}`)
    .join('.');
}

/** Eight groups without leading zeros. */
function expandIPv6(address: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  let text = address;
  if (dotted !== null) {
    const [, head, a, b, c, d] = dotted;
    text = `${head}${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`;
  }
  const [left = '', right] = text.split('::');
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(zeros).fill('0'), ...after].map((group) =>
    Number.parseInt(group, 16).toString(16),
  );
}
