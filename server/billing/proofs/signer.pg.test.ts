/** 000-R28: what was signed once is not signed again in another form, whatever a superuser does with the database. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findLatestCheckpoint } from '../../../db/billing/proofs/checkpoints.ts';
import { openCheckpoint } from '../../../protocol/ledger-proof/signed-note.ts';
import { MerkleTree } from '../../../workers/billing/merkle-tree.ts';
import { CheckpointFiles } from './files.ts';
import { newLedgerKey, ProofWorkshop } from './testing.ts';

let workshop: ProofWorkshop;
beforeEach(async () => {
  workshop = await ProofWorkshop.open();
});
afterEach(() => workshop.close());

const lastSize = async () => {
  const last = await workshop.files.last(workshop.shard);
  const { shard, keys } = workshop;
  return last === undefined ? 0 : (await openCheckpoint(last.note, keys.verifiersOf(shard))).size;
};
const folder = () => join(workshop.files.folder, `shard-${workshop.shard}`);

describe('signing', () => {
  test('new entries are signed: on the disk, in the database, with the root of their hashes', async () => {
    const signer = workshop.signer();
    await signer.round();
    await workshop.spend(2);
    await signer.round();
    await signer.round();
    const { records, cutOff } = await workshop.files.all(workshop.shard);
    const { shard, keys, database } = workshop;
    const checkpoints = await Promise.all(records.map(({ note }) => openCheckpoint(note, keys.verifiersOf(shard))));
    expect([checkpoints.map(({ size }) => size), cutOff]).toEqual([[3, 5], 0]);
    const tree = new MerkleTree();
    for (const {
      hash,
    } of await workshop.owner`select hash from billing.token_ledger where shard = ${shard} order by seq`)
      tree.append(hash);
    expect(checkpoints[1]).toMatchObject({
      origin: `test.example/ledger/${shard}`,
      root: Uint8Array.from(tree.root()),
    });
    const stored = await database.database.asService((tx) => findLatestCheckpoint(tx, shard));
    expect(stored?.note).toBe(records[1]?.note);
    expect(workshop.alarms).toEqual([]);
  });

  test('files are only appended to, readable by their owner alone; a record that was cut off stays and hides nothing', async () => {
    await workshop.signer().round();
    const [name = ''] = await readdir(folder());
    const path = join(folder(), name);
    const before = await readFile(path, 'utf8');
    if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, `${before}test.example/ledger/0\n17\nAAAA`);
    await workshop.spend(1);
    await workshop.signer().round();
    const after = await readFile(path, 'utf8');
    expect(after.startsWith(`${before}test.example/ledger/0\n17\nAAAA\n\n`)).toBe(true);
    const { records, cutOff } = await workshop.files.all(workshop.shard);
    expect([records.length, cutOff, await lastSize()]).toEqual([2, 1, 4]);
  });

  test('a new start goes on where the last one ended, by another gateway too', async () => {
    await workshop.signer().round();
    await workshop.spend(1);
    await workshop.signer().round();
    expect(await lastSize()).toBe(4);
    // Its own folder is empty: what the database has was signed by the same key.
    await workshop.spend(1);
    const other = workshop.signer({
      files: new CheckpointFiles(join(workshop.folder, 'other')),
    });
    await other.round();
    expect([other.halted, workshop.alarms]).toEqual([[], []]);
  });

  test('two gateways that both think they lead a shard sign the same tree', async () => {
    const [a, b] = [workshop.signer(), workshop.signer()];
    await Promise.all([a.round(), b.round()]);
    await workshop.spend(2);
    await Promise.all([a.round(), b.round()]);
    expect([a.halted, b.halted, workshop.alarms]).toEqual([[], [], []]);
    expect(await lastSize()).toBe(5);
  });

  test('a shard that this gateway does not lead is not signed', async () => {
    await workshop.signer({ led: () => [] }).round();
    expect(await lastSize()).toBe(0);
  });

  test('a new key signs on, and what the old one signed still counts', async () => {
    await workshop.signer().round();
    workshop.masterKeys.unshift(newLedgerKey('l2'));
    await workshop.readKeys();
    await workshop.spend(1);
    const signer = workshop.signer();
    await signer.round();
    expect([signer.halted, await lastSize()]).toEqual([[], 4]);
    // Whoever knows one of both alone can read it.
    const { note = '' } = (await workshop.files.last(workshop.shard)) ?? {};
    for (const key of workshop.keys.verifiersOf(workshop.shard))
      expect(await openCheckpoint(note, [key])).toMatchObject({ size: 4 });
    // Without the old one nobody could tell that what it signed was signed.
    workshop.masterKeys.splice(0, 2, newLedgerKey('l3'));
    await workshop.readKeys();
    const stranger = workshop.signer();
    await stranger.round();
    expect(stranger.halted.find(({ shard }) => shard === workshop.shard)?.problem).toContain('None of the known keys');
  });

  test('another origin is another log, which begins anew', async () => {
    await workshop.signer().round();
    await workshop.readKeys('other.example/ledger');
    await workshop.force('delete from billing.ledger_checkpoints');
    const signer = workshop.signer();
    await signer.round();
    expect([signer.halted, await lastSize()]).toEqual([[], 3]);
  });
});

describe('a database that is not what was signed of it is signed no more', () => {
  beforeEach(async () => {
    await workshop.signer().round();
  });
  const refused = async (problem: string | RegExp) => {
    const size = await lastSize();
    const signer = workshop.signer();
    await signer.round();
    await signer.round();
    expect(signer.halted).toMatchObject([{ shard: workshop.shard, problem: expect.stringMatching(problem) }]);
    expect(workshop.alarms).toEqual([signer.halted[0]?.problem]);
    expect(await lastSize()).toBe(size);
  };

  test('rolled back, with everything that belongs to it', async () => {
    await workshop.force(
      'delete from billing.token_ledger where shard = :shard and seq > 2',
      `update billing.ledger_heads set seq = 2, hash = (select hash from billing.token_ledger where shard = :shard and seq = 2) where shard = :shard`,
      'delete from billing.ledger_checkpoints',
    );
    await refused('ends at entry 2.*covers 3.*rolled back.*from 3 on');
  });

  test('rolled back and grown again', async () => {
    await workshop.force(
      'delete from billing.token_ledger where shard = :shard and seq > 2',
      `update billing.ledger_heads set seq = 2, hash = (select hash from billing.token_ledger where shard = :shard and seq = 2) where shard = :shard`,
      'delete from billing.ledger_checkpoints',
    );
    await growAgain(2);
    await refused('written anew');
  });

  test('written anew with right hashes, and without the checkpoints it had', async () => {
    await workshop.rewriteChain('update billing.token_ledger set token_amount = 1 where shard = :shard and seq = 2');
    await workshop.force('delete from billing.ledger_checkpoints', 'delete from billing.ledger_tree_nodes');
    expect((await workshop.billing.verifyChain()).problems.filter(({ shard }) => shard !== null)).toEqual([]);
    await refused('written anew');
  });

  test('an entry edited, one deleted', async () => {
    await workshop.force('update billing.token_ledger set token_amount = 7 where shard = :shard and seq = 2');
    await refused('entry 2: the entry does not match its hash');
  });

  test('an entry edited between its booking and the next checkpoint', async () => {
    const signer = workshop.signer();
    await signer.round();
    await workshop.spend(2);
    await workshop.force('update billing.token_ledger set token_amount = 7 where shard = :shard and seq = 5');
    await signer.round();
    expect(signer.halted).toMatchObject([{ problem: expect.stringContaining('entry 5: the entry does not match') }]);
    expect(await lastSize()).toBe(3);
  });

  test('a checkpoint in the file that nobody signed', async () => {
    const [name = ''] = await readdir(folder());
    const path = join(folder(), name);
    await writeFile(path, (await readFile(path, 'utf8')).replace('\n3\n', '\n2\n'));
    const signer = workshop.signer();
    await signer.round();
    expect(signer.halted).toMatchObject([{ problem: expect.stringContaining('not to be trusted: The signature') }]);
  });
});

/** Grows a chain that was rolled back to its second entry, by others than it had. */
async function growAgain(count: number): Promise<void> {
  const { owner, shard } = workshop;
  for (let index = 0; index < count; index++) {
    await owner`insert into billing.token_ledger select shard, 3 + ${index}, gen_random_uuid(), from_account, to_account, asset, token_amount,
      unit_price_micro, purpose, conv_id, msg_id, gen_random_uuid(), status, reverses_id, gen_random_uuid()::text, hash, prev_hash,
      hash_version, created_at from billing.token_ledger where shard = ${shard} and seq = 2`;
  }
  await workshop.rewriteChain('select 1');
}
