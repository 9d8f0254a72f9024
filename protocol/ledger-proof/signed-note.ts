/**
 * Signed notes (c2sp.org/signed-note) with Ed25519 keys, and checkpoints (c2sp.org/tlog-checkpoint) in them: reading and
 * verifying. Runs in browsers and in Node; signing is the server's.
 */
import { fromBase64, joinBytes, sha256, toBase64, toHex } from './bytes.ts';
import type { Hash } from './merkle.ts';

/** A public key with the name it signs under. */
export type VerifierKey = { name: string; keyId: string; publicKey: Hash };
export type SignatureLine = { name: string; keyId: string; signature: Hash };
export type SignedNote = { text: string; signatures: SignatureLine[] };
export type Checkpoint = { origin: string; size: number; root: Hash };

const ED25519 = 1;
const DASH = '\u2014';
const MAX_SIGNATURES = 64;
const encoder = new TextEncoder();

/** Key names hold neither spaces nor a plus sign. */
export function isKeyName(name: string): boolean {
  return name !== '' && name.isWellFormed() && !/[\s+\p{Z}\p{Cc}]/u.test(name);
}

/** The first four bytes of the SHA-256 of name, line break, kind and public key; 8 hexadecimal digits. */
export async function keyIdOf(name: string, publicKey: Uint8Array): Promise<string> {
  const digest = await sha256(joinBytes(encoder.encode(`${name}\n`), Uint8Array.of(ED25519), publicKey));
  return toHex(digest.subarray(0, 4));
}

/** `name+keyid+base64(0x01 || public key)`, the form that other tools for checkpoints read. */
export async function verifierLine(name: string, publicKey: Uint8Array): Promise<string> {
  return `${name}+${await keyIdOf(name, publicKey)}+${toBase64(joinBytes(Uint8Array.of(ED25519), publicKey))}`;
}

/** @throws RangeError for what is not a verifier key, or has another key's id. */
export async function parseVerifierKey(line: string): Promise<VerifierKey> {
  const [name = '', keyId = '', ...rest] = line.trim().split('+');
  const encoded = fromBase64(rest.join('+'));
  const publicKey = encoded.slice(1);
  if (!isKeyName(name) || encoded[0] !== ED25519 || publicKey.length !== 32)
    throw new RangeError('A verifier key is name+keyid+base64, of an Ed25519 key.');
  if ((await keyIdOf(name, publicKey)) !== keyId) throw new RangeError(`The verifier key ${name} has another id.`);
  return { name, keyId, publicKey };
}

/** @throws RangeError for what is not a signed note. */
export function parseNote(note: string): SignedNote {
  if (!note.isWellFormed() || hasControls(note)) throw new RangeError('The note holds control characters.');
  const split = note.lastIndexOf('\n\n');
  if (split === -1 || !note.endsWith('\n')) throw new RangeError('The note has no signatures.');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new RangeError('The note has too many signatures.');
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 0x20 && text[at] !== '\n') return true;
  return false;
}

function parseSignature(line: string): SignatureLine {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ');
  if (dash !== DASH || rest.length > 0 || !isKeyName(name)) throw new RangeError('A line is not a signature.');
  const bytes = fromBase64(encoded);
  if (bytes.length < 5) throw new RangeError('A signature is too short.');
  return { name, keyId: toHex(bytes.subarray(0, 4)), signature: bytes.slice(4) };
}

/** @param signatures each by the key of its name and id, over the text with its last line break. */
export function noteOf(text: string, ...signatures: readonly SignatureLine[]): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const id = Uint8Array.from(keyId.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    return `${DASH} ${name} ${toBase64(joinBytes(id, signature))}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/**
 * Reads a note that one of the keys has signed; signatures of others say nothing.
 * @throws RangeError when none of the keys has signed it, or the signature of one of them is wrong.
 */
export async function openNote(note: string, keys: readonly VerifierKey[]): Promise<SignedNote> {
  const parsed = parseNote(note);
  let signed = false;
  for (const { name, keyId, signature } of parsed.signatures) {
    const key = keys.find((one) => one.name === name && one.keyId === keyId);
    if (key === undefined) continue;
    if (!(await hasSigned(key, signature, parsed.text))) throw new RangeError(`The signature of ${name} is wrong.`);
    signed = true;
  }
  if (!signed) throw new RangeError('None of the known keys has signed it.');
  return parsed;
}

async function hasSigned({ publicKey }: VerifierKey, signature: Hash, text: string): Promise<boolean> {
  const key = await crypto.subtle.importKey('raw', publicKey as Uint8Array<ArrayBuffer>, 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', key, signature, encoder.encode(text));
}

export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** @throws RangeError when the text of a note is not a checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', ...more] = text.split('\n');
  // Behind the last line break comes nothing; lines of extensions may stand before it.
  if (origin === '' || more.pop() !== '' || more.includes('') || !/^(?:0|[1-9]\d{0,15})$/.test(sizeText))
    throw new RangeError('The note is not a checkpoint.');
  const size = Number(sizeText);
  const root = fromBase64(rootText);
  if (!Number.isSafeInteger(size) || root.length !== 32) throw new RangeError('The note is not a checkpoint.');
  return { origin, size, root };
}

/** Reads a checkpoint that a log has signed under the name of its origin. @throws RangeError */
export async function openCheckpoint(note: string, keys: readonly VerifierKey[]): Promise<Checkpoint> {
  const parsed = parseCheckpoint(parseNote(note).text);
  await openNote(
    note,
    keys.filter(({ name }) => name === parsed.origin),
  );
  return parsed;
}
