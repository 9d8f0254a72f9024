/** Whose address a request comes from, in one textual form. */

/** `address` as uWS gives it: 4 or 16 bytes. IPv4 within IPv6 is shown as IPv4. Empty when unknown. */
export function formatAddress(address: ArrayBuffer): string {
  const bytes = new Uint8Array(address);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.subarray(12).join('.');
  const view = new DataView(address);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2).toString(16));
  return groups.join(':');
}

/**
 * The client's address behind proxies.
 * @param trustedHops how many proxies of ours stand in front; 0 trusts no header, for anybody can send one
 */
export function clientAddress(remote: ArrayBuffer, forwardedFor: string, trustedHops: number): string {
  if (trustedHops > 0 && forwardedFor !== '') {
    const hops = forwardedFor.split(',').map((hop) => hop.trim());
    const claimed = hops[Math.max(0, hops.length - trustedHops)];
    if (claimed !== undefined && /^[0-9a-fA-F.:]{2,45}$/.test(claimed)) return claimed;
  }
  return formatAddress(remote);
}
