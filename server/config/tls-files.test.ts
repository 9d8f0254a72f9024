import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { writeCertificate } from '../testing/certificate.ts';
import { findTlsFault } from './tls-files.ts';

const [mine, other] = [writeCertificate(), writeCertificate()];
afterAll(() => {
  for (const { folder } of [mine, other]) rmSync(folder, { recursive: true });
});

describe('findTlsFault', () => {
  it('finds nothing where there is no TLS, or all is well', () => {
    expect(findTlsFault(undefined, undefined)).toBeUndefined();
    expect(findTlsFault(mine.certFile, mine.keyFile)).toBeUndefined();
  });

  it.each([
    ['a missing certificate', '/nowhere.pem', mine.keyFile, 'TLS_CERT_FILE'],
    ['a missing key', mine.certFile, '/nowhere.pem', 'TLS_KEY_FILE'],
    ['something else for a certificate', mine.keyFile, mine.keyFile, 'TLS_CERT_FILE'],
    ['something else for a key', mine.certFile, mine.certFile, 'TLS_KEY_FILE'],
    ['the key of another certificate', mine.certFile, other.keyFile, 'TLS_KEY_FILE'],
  ])('names the setting for %s', (_what, certFile, keyFile, setting) => {
    expect(findTlsFault(certFile, keyFile)).toMatchObject({ setting });
  });
});
