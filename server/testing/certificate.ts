/** A certificate for tests, made on the spot: nothing of it is worth keeping secret, and nothing expires unseen in the tree. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Key and self-signed certificate for `localhost` in a new folder, which the caller removes. */
export function writeCertificate(): { folder: string; keyFile: string; certFile: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tsumugi-tls-'));
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(certFile, selfSigned(publicKey, privateKey));
  return { folder, keyFile, certFile };
}

/** One element of DER. */
function der(tag: number, ...content: (Uint8Array | number[])[]): Buffer {
  const body = Buffer.concat(content.map((part) => Buffer.from(part)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

/** A certificate for `localhost` that signs itself, PEM. */
function selfSigned(publicKey: KeyObject, privateKey: KeyObject): string {
  const ecdsaSha256 = der(0x30, der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
  const name = der(0x30, der(0x31, der(0x30, der(0x06, [0x55, 4, 3]), der(0x0c, Buffer.from('localhost')))));
  const validity = der(0x30, der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')));
  const body = der(
    0x30,
    der(0xa0, der(0x02, [2])),
    der(0x02, [1]),
    ecdsaSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const certificate = der(0x30, body, ecdsaSha256, der(0x03, [0], sign('sha256', body, privateKey)));
  return `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}
