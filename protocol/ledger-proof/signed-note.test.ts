/** Notes and checkpoints against the examples of their specifications and of Go's `sumdb/note`, which wrote the format first. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  checkpointText,
  keyIdOf,
  noteOf,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  verifierLine,
} from './signed-note.ts';

const peter = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
const behindTheSofa = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;

async function newSigner(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  const key = await parseVerifierKey(await verifierLine(name, raw));
  const signed = (body: string) =>
    noteOf(body, { ...key, signature: Uint8Array.from(sign(null, Buffer.from(body), privateKey)) });
  return { key, signed };
}

describe('notes', () => {
  test('the example of Go opens under its key, and is written the same', async () => {
    const key = await parseVerifierKey(peter);
    expect(await keyIdOf(key.name, key.publicKey)).toBe('c74f20a3');
    expect(await verifierLine(key.name, key.publicKey)).toBe(peter);
    const opened = await openNote(note, [key]);
    expect(opened.text).toBe(text);
    expect(opened.signatures.map((line) => noteOf(text, line))).toEqual([note]);
  });

  test('no change of text or signature opens, nor does a note that only strangers have signed', async () => {
    const key = await parseVerifierKey(peter);
    await expect(openNote(note.replace('cryptography', 'Cryptography'), [key])).rejects.toThrow('signature');
    await expect(openNote(note.replace('x08go/Z', 'x08go/a'), [key])).rejects.toThrow('signature');
    await expect(openNote(note.replace('x08go', 'x08gp'), [key])).rejects.toThrow('None');
    await expect(openNote(note, [])).rejects.toThrow('None');
    const other = await newSigner('PeterNeumann');
    await expect(openNote(note, [other.key])).rejects.toThrow('None');
  });

  test('signatures of witnesses stand beside, and a wrong one of a known key spoils all', async () => {
    const [log, witness] = [await newSigner('log.example/1'), await newSigner('witness.example')];
    const both = log.signed('text\n') + (witness.signed('text\n').split('\n\n')[1] ?? '');
    expect((await openNote(both, [log.key])).signatures).toHaveLength(2);
    const spoilt = log.signed('text\n') + (witness.signed('other\n').split('\n\n')[1] ?? '');
    await expect(openNote(spoilt, [log.key, witness.key])).rejects.toThrow('witness.example');
    expect((await openNote(spoilt, [log.key])).text).toBe('text\n');
  });

  test.each([
    ['no signatures', 'text\n'],
    ['no last line break', note.trimEnd()],
    ['a hyphen for the dash', note.replace('—', '-')],
    ['a control character', note.replace('your', 'yo\tur')],
    ['half a surrogate pair', note.replace('your', 'yo\ud800ur')],
    ['an empty line behind', `${note}\n`],
    ['Base64 with bits left over', note.replace('nAM=', 'nAN=')],
    ['more than the signature', note.replace('nAM=', 'nAM= x')],
  ])('%s is no note', (_what, broken) => {
    expect(() => parseNote(broken)).toThrow(RangeError);
  });

  test.each([
    `${peter}A`,
    peter.replace('c74f20a3', 'c74f20a4'),
    peter.replace('+AR', '+BR'),
    'a b+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    '',
  ])('%j is no verifier key', async (line) => {
    await expect(parseVerifierKey(line)).rejects.toThrow(RangeError);
  });
});

describe('checkpoints', () => {
  test('the example of the specification', () => {
    const { text: body, signatures } = parseNote(behindTheSofa);
    const checkpoint = parseCheckpoint(body);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
    expect(checkpointText(checkpoint)).toBe(body);
    expect(signatures.map((line) => noteOf(body, line))).toEqual([behindTheSofa]);
  });

  test('are signed by a key of the name of their origin', async () => {
    const [log, other] = [await newSigner('log.example/1'), await newSigner('log.example/2')];
    const body = checkpointText({ origin: 'log.example/1', size: 3, root: new Uint8Array(32) });
    expect(await openCheckpoint(log.signed(body), [other.key, log.key])).toMatchObject({ size: 3 });
    await expect(openCheckpoint(other.signed(body), [other.key, log.key])).rejects.toThrow('None');
  });

  test.each([
    ['a zero in front', '01\n', '2\n'],
    ['a sign', '+1\n', '2\n'],
    ['too large a size', '9007199254740993\n', '2\n'],
    ['a short root', '1\n', 'AAAA\n'],
    ['an empty line', '1\n', '\n'],
  ])('%s is refused', (_what, size, root) => {
    const whole = root === '2\n' ? `${'A'.repeat(43)}=\n` : root;
    expect(() => parseCheckpoint(`origin\n${size}${whole}`)).toThrow(RangeError);
  });
});
