/** Looks whether certificate and key can be used together, so that a wrong one stops the start by the name of its setting. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** @returns the setting at fault and what is wrong with it; undefined when all is well. Never a part of the files. */
export function findTlsFault(
  certFile: string | undefined,
  keyFile: string | undefined,
): { setting: string; problem: string } | undefined {
  if (certFile === undefined || keyFile === undefined) return undefined;
  const cert = readPem(certFile);
  if (cert === undefined)
    return { setting: 'TLS_CERT_FILE', problem: `expected a readable file, got ${JSON.stringify(certFile)}.` };
  const key = readPem(keyFile);
  if (key === undefined)
    return { setting: 'TLS_KEY_FILE', problem: `expected a readable file, got ${JSON.stringify(keyFile)}.` };
  if (!isUsable({ cert })) return { setting: 'TLS_CERT_FILE', problem: 'expected a certificate in PEM.' };
  if (!isUsable({ key }))
    return { setting: 'TLS_KEY_FILE', problem: 'expected a private key in PEM without a passphrase.' };
  if (!isUsable({ cert, key }))
    return { setting: 'TLS_KEY_FILE', problem: 'expected the private key of the certificate in TLS_CERT_FILE.' };
  return undefined;
}

function readPem(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function isUsable(parts: { cert?: Buffer; key?: Buffer }): boolean {
  try {
    createSecureContext(parts);
    return true;
  } catch {
    return false;
  }
}
