/** The whole server: an answer is paid, its entry is signed, and everybody can check it, over the socket, over HTTP and offline. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ConsistencyProof, EntryProof, InclusionProof } from '../protocol/billing-proofs.ts';
import type { LedgerRef } from '../protocol/chat.ts';
import { fromHex, toHex } from '../protocol/ledger-proof/bytes.ts';
import { verifyConsistency, verifyInclusion } from '../protocol/ledger-proof/merkle.ts';
import { openCheckpoint, parseVerifierKey, type VerifierKey } from '../protocol/ledger-proof/signed-note.ts';
import { verifyEntryProof } from '../protocol/ledger-proof/verify-entry.ts';
import { openConversation, Person } from './testing/people.ts';
import { startTestServer, type TestServer } from './testing/start-server.ts';

let server: TestServer;
let hana: Person;
let keys: VerifierKey[];
let proof: EntryProof;
beforeAll(async () => {
  server = await startTestServer({ env: { LEDGER_CHECKPOINT_SECONDS: '1' } });
  hana = await Person.signUp(server.url);
  const client = await hana.device({ codec: 'json' });
  let entry: LedgerRef | null = null;
  for (let turn = 0; turn < 2; turn++) {
    const generation = await (await openConversation(client)).send(`Good morning, ${turn}`);
    ({ ledger: entry } = await generation.done);
  }
  if (entry === null) throw new Error('Nothing was entered.');
  const { shard, seq } = entry;
  keys = await Promise.all((await text('/ledger/keys')).trimEnd().split('\n').map(parseVerifierKey));
  proof = await signed(() => client.request('billing.proof', { shard, seq }));
});
afterAll(async () => {
  await hana?.leave();
  await server?.close();
});

/** Asked again, five times a second, until the next checkpoint has it. */
const signed = <T>(ask: () => Promise<T>): Promise<T> => vi.waitFor(ask, { timeout: 60_000, interval: 200 });
const text = async (path: string) => (await fetch(server.url + path)).text();
const json = async <T>(path: string) => (await (await fetch(server.url + path)).json()) as T;

describe('000-R28: an entry of his own', () => {
  test('is proven to a user, and nothing in the proof can be changed', async () => {
    expect(await verifyEntryProof(proof, keys)).toMatchObject({ ok: true, checkpoint: { size: proof.size } });
    const { entry } = proof;
    const amount = { ...proof, entry: { ...entry, tokenAmount: entry.tokenAmount + 1 } };
    expect(await verifyEntryProof(amount, keys)).toEqual({ ok: false, fault: 'hash' });
    const odd = { ...proof, entry: { ...entry, entryId: 'x' } };
    expect(await verifyEntryProof(odd, keys)).toEqual({ ok: false, fault: 'hash' });
    expect(await verifyEntryProof({ ...proof, size: proof.size + 1 }, keys)).toEqual({
      ok: false,
      fault: 'checkpoint',
    });
    expect(await verifyEntryProof(proof, [])).toEqual({ ok: false, fault: 'checkpoint' });
    const path = [...proof.path, entry.hash];
    expect(await verifyEntryProof({ ...proof, path }, keys)).toEqual({ ok: false, fault: 'path' });
  });

  test('of somebody else, and one that is not there, are the same to him', async () => {
    const eve = await Person.signUp(server.url);
    const client = await eve.device({ codec: 'msgpack' });
    const { shard, seq } = proof.entry;
    const ask = (of: number) => client.request('billing.proof', { shard, seq: of });
    await expect(ask(seq)).rejects.toMatchObject({ code: 'billing.entry_not_found' });
    await expect(ask(9_999)).rejects.toMatchObject({ code: 'billing.entry_not_found' });
    await eve.leave();
  });
});

describe('over HTTP, for everybody', () => {
  test('checkpoints and proofs verify', async () => {
    const { shard, seq } = proof.entry;
    const checkpoint = await openCheckpoint(await text(`/ledger/checkpoint/${shard}`), keys);
    expect(checkpoint).toMatchObject({ origin: `tsumugi.local/ledger/${shard}` });
    const inclusion = await json<InclusionProof>(`/ledger/proof/inclusion?shard=${shard}&seq=${seq}`);
    const { leafHash, index, size, path, rootHash } = inclusion;
    const included = verifyInclusion(fromHex(leafHash), index, size, path.map(fromHex), fromHex(rootHash));
    expect(await included).toBe(true);
    expect(toHex((await openCheckpoint(inclusion.checkpoint, keys)).root)).toBe(rootHash);
    // Nothing but hashes and places.
    expect(Object.keys(inclusion).sort()).toEqual(
      ['checkpoint', 'index', 'leafHash', 'path', 'rootHash', 'seq', 'shard', 'size'].sort(),
    );
    const grown = await json<ConsistencyProof>(`/ledger/proof/consistency?shard=${shard}&from=1`);
    const consistent = verifyConsistency(
      { size: 1, root: fromHex(grown.fromRootHash) },
      { size: grown.to, root: fromHex(grown.toRootHash) },
      grown.path.map(fromHex),
    );
    expect(await consistent).toBe(true);
  });

  test.each([
    ['/ledger/checkpoint/8', 400, 'protocol.invalid_body', 'shard'],
    ['/ledger/checkpoint/-1', 400, 'protocol.invalid_body', 'shard'],
    ['/ledger/proof/inclusion?seq=1', 400, 'protocol.invalid_body', 'shard'],
    ['/ledger/proof/inclusion?shard=SHARD&seq=0', 400, 'protocol.invalid_body', 'seq'],
    ['/ledger/proof/inclusion?shard=SHARD&seq=1&size=99999', 400, 'protocol.invalid_body', 'size'],
    ['/ledger/proof/inclusion?shard=SHARD&seq=2&size=1', 400, 'protocol.invalid_body', 'seq'],
    ['/ledger/proof/consistency?shard=SHARD&from=99999', 400, 'protocol.invalid_body', 'from'],
    ['/ledger/proof/consistency?shard=SHARD&from=2&to=1', 400, 'protocol.invalid_body', 'from'],
    ['/ledger/proof/inclusion?shard=SHARD&seq=99999', 409, 'billing.proof_pending', undefined],
  ])('%s is refused', async (path, status, code, field) => {
    const reply = await fetch(server.url + path.replace('SHARD', String(proof.entry.shard)));
    expect(reply.status).toBe(status);
    expect(await reply.json()).toMatchObject({
      error: { code, ...(field === undefined ? {} : { details: { field } }) },
    });
  });
});

test('the command line exports and verifies beside the running server, and offline', async () => {
  const program = fileURLToPath(new URL('./command-line/ledger.ts', import.meta.url));
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = server.env) =>
    promisify(execFile)(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'] ?? '', ...env } });
  expect((await run(['verify'])).stdout).toMatch(/\d+ entries are right\.\n$/);
  const file = join(server.dataDir, 'export.tsv');
  await run(['export', '--out', file]);
  const lines = (await run(['keys'])).stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(8);
  // Without any setting: no database, no key but the public ones.
  const offline = ['verify', '--export', file, '--checkpoints', join(server.dataDir, 'ledger-checkpoints')];
  const trusted = lines.flatMap((line) => ['--key', line]);
  const { stdout } = await run([...offline, ...trusted], {});
  expect(stdout).toMatch(/\d+ entries are right\.\n$/);
  await expect(run(['verify', '--export', file])).rejects.toMatchObject({ code: 2 });
  await expect(run([...offline.with(2, `${file}.none`), ...trusted])).rejects.toMatchObject({ code: 3 });
});
