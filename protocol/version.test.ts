import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { closeCodes } from './close-code.ts';
import { subprotocols } from './codec.ts';
import { downFrames } from './down.ts';
import { ErrorEnvelope, PushEnvelope, ReplyEnvelope, UpEnvelope } from './envelope.ts';
import { errorCodes } from './error-code.ts';
import { upFrames } from './up.ts';
import { PROTOCOL_VERSION } from './version.ts';

/** What `PROTOCOL_VERSION` stands for. */
const PINNED = { version: '1.0', hash: '2060a52921dfafa1197536aeea713b580f94b7c82d9899c778f5bf8ce788ae16' };

/** Texts for people may change freely; everything else is the contract. */
function withoutTexts(key: string, value: unknown): unknown {
  return key === 'description' || key === 'says' || key === 'saysJa' ? undefined : value;
}

it('pins the version to the contract', () => {
  const contract = {
    upFrames,
    downFrames,
    errorCodes,
    closeCodes,
    subprotocols,
    UpEnvelope,
    ReplyEnvelope,
    ErrorEnvelope,
    PushEnvelope,
  };
  const hash = createHash('sha256').update(JSON.stringify(contract, withoutTexts)).digest('hex');
  expect(
    { version: PROTOCOL_VERSION, hash },
    `The contract has changed. If clients of ${PINNED.version} still work with it, raise the minor number in version.ts, else ` +
      `the major number and the names of the subprotocols; then pin { version, hash: '${hash}' } here. While nothing is ` +
      'released, pinning the new hash is enough.',
  ).toEqual(PINNED);
});

it('carries the major number in the names of the subprotocols', () => {
  const major = PROTOCOL_VERSION.split('.')[0];
  expect(subprotocols.every((name) => name.startsWith(`tsumugi.v${major}.`))).toBe(true);
});
