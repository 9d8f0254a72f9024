/** Keyed hashes: equality look-ups of encrypted values. Without the key nobody can try likely values against them. */
import { createHmac, type KeyObject } from 'node:crypto';
import { domainToASCII } from 'node:url';

/** @param purpose keeps equal values of different columns apart. @returns 32 bytes. */
export function keyedHash(key: KeyObject, purpose: string, value: string): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([purpose, value]))
    .digest();
}

/**
 * One spelling for all spellings of an address: NFKC, lower case, the domain in its ASCII form.
 * @returns undefined when there is no usable domain or a character that no address has.
 */
export function normalizeMail(mail: string): string | undefined {
  const folded = mail.normalize('NFKC').trim().toLowerCase();
  const at = folded.lastIndexOf('@');
  if (at < 1 || folded.length > 254 || /[\s\p{C}]/u.test(folded)) return undefined;
  const local = folded.slice(0, at);
  const given = folded.slice(at + 1);
  // `domainToASCII` reads a host out of a URL: it stops at a slash and decodes percent signs.
  const domain = /[/\\?#%:]/.test(given) ? '' : domainToASCII(given);
  if (/(^|\.)(\.|$)/.test(domain) || domain.length > 253 || Buffer.byteLength(local) > 64 || local.includes('@'))
    return undefined;
  return `${local}@${domain}`;
}
