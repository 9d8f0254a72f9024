/** What a browser remembers of the ledger: it notices another key, a rewritten log and one that was rolled back. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { EntryProof } from '../../../protocol/billing-proofs.ts';
import { toHex } from '../../../protocol/ledger-proof/bytes.ts';
import { entryForm } from '../../../protocol/ledger-proof/entry-form.ts';
import { checkpointText, noteOf, parseVerifierKey, verifierLine } from '../../../protocol/ledger-proof/signed-note.ts';
import { type AskGrowth, checkEntry as check, type ShownEntry } from './known-log.ts';

const sha = (...parts: readonly Uint8Array[]) =>
  Uint8Array.from(createHash('sha256').update(Buffer.concat(parts)).digest());
async function newSigner() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'));
  const key = await verifierLine('test.example/3', raw);
  const { name, keyId } = await parseVerifierKey(key);
  const lineFor = (text: string) => ({
    name,
    keyId,
    signature: Uint8Array.from(sign(null, Buffer.from(text), privateKey)),
  });
  return { key, lineFor };
}
const old = await newSigner();
const young = await newSigner();
const fields = {
  entryId: '01890a5d-ac96-774b-bcce-b302099a8057',
  shard: 3,
  fromAccount: '11111111-1111-4111-8111-111111111113',
  toAccount: '22222222-2222-4222-8222-222222222222',
  asset: 'token',
  tokenAmount: 12,
  unitPriceMicro: 0,
  purpose: 'generation',
  status: 'settled',
  reversesId: null,
  conversationId: null,
  messageId: null,
  generationId: null,
  idempotencyKey: 'generation:1',
  createdAtMs: 1_767_225_600_000,
};
const prevHash = '0'.repeat(64);
const hash = toHex(sha(entryForm(fields, 1, prevHash)));
const leaf = sha(Uint8Array.of(0), Buffer.from(hash, 'hex'));
const second = sha(Uint8Array.of(0), sha(Buffer.from('second')));

/** The entry, first of a log of one or of two. @param signers the one that the server names first. */
async function proofOf(others: readonly Uint8Array<ArrayBuffer>[], signers = [old]): Promise<EntryProof> {
  const [other] = others;
  const root = other === undefined ? leaf : sha(Uint8Array.of(1), leaf, other);
  const size = 1 + others.length;
  const text = checkpointText({ origin: 'test.example/3', size, root });
  const checkpoint = noteOf(text, ...signers.map((signer) => signer.lineFor(text)));
  const entry = { ...fields, seq: 1, prevHash, hash };
  return { entry, size, path: others.map(toHex), checkpoint, verifierKey: signers[0]?.key ?? '' };
}

const shown: ShownEntry = {
  ...fields,
  asset: 'token',
  seq: 1,
  hash,
  createdAt: new Date(fields.createdAtMs).toISOString(),
};
const checkEntry = (proof: EntryProof, log: typeof memory, askGrowth: AskGrowth) => check(shown, proof, log, askGrowth);

let stored: Map<string, string>;
const memory = {
  getItem: (name: string) => stored.get(name) ?? null,
  setItem: (name: string, text: string) => void stored.set(name, text),
};
const growth = (path: string[] | undefined): AskGrowth => {
  return async (shard, from, to) =>
    path === undefined ? undefined : { shard, from, to, fromRootHash: '', toRootHash: '', path, checkpoint: '' };
};
beforeEach(() => {
  stored = new Map();
});

test('a log that grows is right, the first time and later', async () => {
  const never = growth(undefined);
  expect(await checkEntry(await proofOf([]), memory, never)).toEqual({ ok: true, size: 1, since: undefined });
  expect(await checkEntry(await proofOf([]), memory, never)).toEqual({ ok: true, size: 1, since: 1 });
  const grown = await checkEntry(await proofOf([second]), memory, growth([toHex(second)]));
  expect(grown).toEqual({ ok: true, size: 2, since: 1 });
});

test('a log that was written anew, or rolled back, is found out', async () => {
  await checkEntry(await proofOf([second]), memory, growth(undefined));
  const other = sha(Uint8Array.of(0), sha(Buffer.from('other')));
  expect(await checkEntry(await proofOf([other]), memory, growth([]))).toEqual({ ok: false, fault: 'rewritten' });
  expect(await checkEntry(await proofOf([]), memory, growth(undefined))).toEqual({ ok: false, fault: 'rewritten' });
  expect(await checkEntry(await proofOf([]), memory, growth([toHex(other)]))).toEqual({
    ok: false,
    fault: 'rewritten',
  });
});

test('another key than before counts for nothing, nor does a changed entry', async () => {
  const never = growth(undefined);
  await checkEntry(await proofOf([]), memory, never);
  expect(await checkEntry(await proofOf([], [young]), memory, never)).toEqual({ ok: false, fault: 'key' });
  const proof = await proofOf([]);
  // Whoever names another key has not signed with it.
  expect(await checkEntry({ ...proof, verifierKey: young.key }, memory, never)).toMatchObject({ ok: true });
  expect(await checkEntry(await proofOf([], [young]), memory, never)).toEqual({ ok: false, fault: 'key' });
  const dearer = { ...proof, entry: { ...proof.entry, tokenAmount: 11 } };
  expect(await check({ ...shown, tokenAmount: 11 }, dearer, memory, never)).toEqual({ ok: false, fault: 'hash' });
});

test.each<Partial<ShownEntry>>([
  { seq: 2 },
  { shard: 4 },
  { tokenAmount: 11 },
  { asset: 'addon_token' },
  { purpose: 'adjustment' },
  { hash: '0'.repeat(64) },
  { conversationId: fields.toAccount },
  { createdAt: '2026-01-01T00:00:01.000Z' },
])('a right proof of something else than the page shows proves nothing: %j', async (change) => {
  const proof = await proofOf([]);
  const found = await check({ ...shown, ...change }, proof, memory, growth(undefined));
  expect(found).toEqual({ ok: false, fault: 'other' });
  expect(stored.size).toBe(0);
});

test('a key that signs beside the known one takes its place', async () => {
  const never = growth(undefined);
  await checkEntry(await proofOf([]), memory, never);
  expect(await checkEntry(await proofOf([], [young, old]), memory, never)).toMatchObject({ ok: true });
  expect(await checkEntry(await proofOf([], [young]), memory, never)).toEqual({ ok: true, size: 1, since: 1 });
  expect(await checkEntry(await proofOf([second], [young]), memory, growth([toHex(second)]))).toMatchObject({
    ok: true,
  });
  expect(await checkEntry(await proofOf([]), memory, never)).toEqual({ ok: false, fault: 'key' });
});
