/**
 * 000-R28: a superuser's edit, deletion, reordering, cut or rewriting is found: in the database, and in an export by somebody who has
 * nothing but checkpoint files and verifier keys. Each fault is named by shard and entry.
 */
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes, parseLedgerCommand, runLedgerCommand, WrongCall } from './ledger-command.ts';
import { ProofWorkshop } from './testing.ts';

let workshop: ProofWorkshop;
let keysFile = '';
let files = 0;
const tables = ['token_ledger', 'ledger_heads', 'account_balances', 'ledger_checkpoints', 'ledger_tree_nodes'] as const;

beforeAll(async () => {
  workshop = await ProofWorkshop.open();
  await workshop.signer().round();
  await workshop.spend(3);
  await workshop.signer().round();
  // Behind the last checkpoint.
  await workshop.spend(1);
  keysFile = join(workshop.folder, 'keys.txt');
  await writeFile(keysFile, `${(await workshop.keys.lines()).join('\n')}\n`);
  for (const table of tables)
    await workshop.owner.unsafe(`create table public.${table} as select * from billing.${table}`);
});
afterAll(() => workshop.close());
afterEach(async () => {
  const puts = tables.map((table) => `insert into billing.${table} select * from public.${table}`);
  await workshop.force(...tables.map((table) => `delete from billing.${table}`), ...puts.toReversed());
});

async function run(...args: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const code = await runLedgerCommand(
    {
      print: (line) => lines.push(line),
      openDatabase: async () => workshop.database.database,
      keySource: () => ({ load: () => workshop.masterKeys, changed: () => false }),
      origin: 'test.example/ledger',
      checkpointFolder: workshop.files.folder,
    },
    parseLedgerCommand(args),
  );
  return { code, lines };
}
const newFile = (name: string) => join(workshop.folder, `${++files}-${name}`);
const exported = async () => {
  const file = newFile('export.tsv');
  await run('export', '--out', file);
  return file;
};
const offline = (file: string) =>
  run('verify', '--export', file, '--checkpoints', workshop.files.folder, '--keys', keysFile);
const faultsOf = ({ lines }: { lines: string[] }) => lines.filter((line) => line.startsWith('FAULT'));
const at = (seq: number) => `where shard = :shard and seq = ${seq}`;
const cut = (seq: number) => [
  `delete from billing.token_ledger where shard = :shard and seq > ${seq}`,
  `update billing.ledger_heads set seq = ${seq}, hash = (select hash from billing.token_ledger ${at(seq)}) where shard = :shard`,
];

test('what nobody has touched verifies, here and there', async () => {
  const here = await run('verify');
  const there = await offline(await exported());
  for (const { code, lines } of [here, there]) {
    expect(code, lines.join('\n')).toBe(exitCodes.right);
    expect(lines).toContain('7 entries are right.');
  }
  expect(here.lines).toContain(`shard ${workshop.shard}: 7 entries, 4 checkpoints, 1 behind the last one`);
  expect(there.lines).toContain(`shard ${workshop.shard}: 7 entries, 2 checkpoints, 1 behind the last one`);
});

test('an export holds no personal data', async () => {
  expect(await readFile(await exported(), 'utf8')).not.toContain(workshop.userId);
});

describe('what a superuser did is found', () => {
  // The chain has 7 entries; 3 and 6 were signed.
  test.each([
    [
      'an amount edited',
      [`update billing.token_ledger set token_amount = token_amount + 1 ${at(2)}`],
      2,
      'does not match its hash',
    ],
    [
      'an edit where nothing is signed yet',
      [`update billing.token_ledger set purpose = 'adjustment' ${at(7)}`],
      7,
      'does not match',
    ],
    ['a hash edited', [`update billing.token_ledger set hash = sha256('x') ${at(4)}`], 4, 'does not match its hash'],
    [
      'a previous hash edited',
      [`update billing.token_ledger set prev_hash = sha256('x') ${at(4)}`],
      4,
      'does not continue',
    ],
    ['an entry deleted', [`delete from billing.token_ledger ${at(5)}`], 5, 'missing'],
    [
      'two entries swapped',
      [
        `update billing.token_ledger set seq = 900 ${at(2)}`,
        `update billing.token_ledger set seq = 2 ${at(3)}`,
        `update billing.token_ledger set seq = 3 ${at(900)}`,
      ],
      2,
      'does not continue',
    ],
    ['the end cut off, the head moved back', cut(5), 6, 'cut off'],
    ['everything cut off but the first', cut(1), 2, 'cut off'],
  ])('%s', async (_what, statements, seq, problem) => {
    await workshop.force(...statements);
    for (const found of [await run('verify'), await offline(await exported())]) {
      expect(found.code).toBe(exitCodes.fault);
      expect(faultsOf(found)[0]).toContain(`FAULT shard ${workshop.shard}, entry ${seq}: `);
      expect(faultsOf(found)[0]).toContain(problem);
    }
  });

  test.each([
    ['from its second entry on', `update billing.token_ledger set token_amount = 1 ${at(2)}`, 1],
    ['from its fifth entry on', `update billing.token_ledger set token_amount = 1 ${at(5)}`, 4],
    ['without one entry', `delete from billing.token_ledger ${at(4)}`, 4],
  ])('a chain written anew with right hashes %s, checkpoints of the database included', async (_what, change, seq) => {
    await workshop.rewriteChain(change);
    await workshop.force('delete from billing.ledger_checkpoints', 'delete from billing.ledger_tree_nodes');
    // Nothing in the chains themselves tells.
    expect((await workshop.billing.verifyChain()).problems.filter(({ shard }) => shard !== null)).toEqual([]);
    for (const found of [await run('verify'), await offline(await exported())]) {
      expect(found.code).toBe(exitCodes.fault);
      const chains = faultsOf(found).filter((line) => line.startsWith('FAULT shard'));
      expect(chains).toMatchObject([expect.stringContaining(`shard ${workshop.shard}, entry ${seq}: entries`)]);
      expect(chains[0]).toContain('written anew');
    }
  });

  test('a balance, a node of the tree, a checkpoint of the database', async () => {
    await workshop.force(
      'update billing.account_balances set balance = balance + 5 where account_id in (select id from billing.accounts where owner_id is not null)',
      "insert into billing.ledger_tree_nodes values (:shard, 1, 0, sha256('x'))",
      "update billing.ledger_checkpoints set note = replace(note, E'\\n6\\n', E'\\n7\\n') where size = 6",
    );
    const found = await run('verify');
    expect(found.code).toBe(exitCodes.fault);
    expect(faultsOf(found).join('\n')).toMatch(/balance of .*sum up to/);
    expect(faultsOf(found).join('\n')).toContain('a checkpoint of the database is not to be trusted');
  });

  test('an entry behind the stored end', async () => {
    await workshop.force(
      `update billing.ledger_heads set seq = 6, hash = (select hash from billing.token_ledger ${at(6)}) where shard = :shard`,
    );
    expect(faultsOf(await run('verify'))).toMatchObject([expect.stringContaining('entry 7: there is an entry behind')]);
  });
});

describe('files that were changed', () => {
  test.each([
    [
      'an amount in the export',
      (text: string) => text.replace('\t15\t', '\t16\t'),
      exitCodes.fault,
      /entry 1: .*does not match its hash/,
    ],
    [
      'a line left out',
      (text: string) => text.split('\n').toSpliced(3, 1).join('\n').replace('end 7', 'end 6'),
      exitCodes.fault,
      /entry 3: .*missing/,
    ],
    [
      'a line with another column’s worth of letters in it, and that more than anybody can keep',
      (text: string) => text.replace(/^(1\t\d\t4\t.{20})/m, `$1${'x'.repeat(3_000_000)}`),
      exitCodes.fault,
      /entry 4: a line cannot be read/,
    ],
    [
      'line ends of another system behind the first line',
      (text: string) => text.replaceAll('\n', '\r\n').replace('\r\n', '\n').replace('end 7\r', 'end 7'),
      exitCodes.fault,
      /entry 1: a line cannot be read/,
    ],
  ])('%s', async (_what, change, code, problem) => {
    const file = await exported();
    await writeFile(file, change(await readFile(file, 'utf8')));
    const found = await offline(file);
    expect(found.code).toBe(code);
    expect(faultsOf(found)[0]).toMatch(problem);
  });

  test.each([
    ['cut off within a line', (text: string) => text.slice(0, -40), 'cut off'],
    ['cut off behind a line', (text: string) => text.replace(/end 7\n$/, ''), 'The last line is missing'],
    ['another number at the end', (text: string) => text.replace('end 7', 'end 8'), '8 entries, there are 7'],
    ['something else', () => 'hello\n', 'not that of an export'],
    ['nothing', () => '', 'missing'],
  ])('an export that is %s cannot be checked', async (_what, change, problem) => {
    const file = await exported();
    await writeFile(file, change(await readFile(file, 'utf8')));
    await expect(offline(file)).rejects.toThrow(problem);
  });

  test('a checkpoint file', async () => {
    const file = await exported();
    const folder = join(workshop.files.folder, `shard-${workshop.shard}`);
    const [name = ''] = await readdir(folder);
    const path = join(folder, name);
    const before = await readFile(path, 'utf8');
    try {
      await writeFile(path, before.replace('\n6\n', '\n7\n'));
      expect(faultsOf(await offline(file))).toMatchObject([
        expect.stringContaining(`shard ${workshop.shard}, entry 7: a checkpoint`),
      ]);
      await writeFile(path, before);
      await appendFile(path, 'test.example/led');
      const torn = await offline(file);
      expect(torn.code).toBe(exitCodes.right);
      expect(torn.lines.join('\n')).toContain('cut off, as by a crash');
    } finally {
      await writeFile(path, before);
    }
  });

  const pathOf = async (shard: number) => {
    const folder = join(workshop.files.folder, `shard-${shard}`);
    return join(folder, (await readdir(folder))[0] ?? '');
  };

  test.each([0, 1, 2, 3, 4, 5])('a checkpoint file without line %i of its first record', async (line) => {
    const file = await exported();
    const path = await pathOf(workshop.shard);
    const before = await readFile(path, 'utf8');
    try {
      await writeFile(path, before.split('\n').toSpliced(line, 1).join('\n'));
      // Without its signature it looks as if a crash had cut it off; the second one covers the same entries.
      const isPassedOver = line === 4;
      for (const { code, lines } of [await run('verify'), await offline(file)]) {
        expect(code).toBe(isPassedOver ? exitCodes.right : exitCodes.fault);
        const told = isPassedOver
          ? /records of checkpoint files were cut/
          : /not to be trusted|holds what is no checkpoint/;
        expect(lines.join('\n')).toMatch(told);
      }
    } finally {
      await writeFile(path, before);
    }
  });

  test('a checkpoint that was taken out of its file is told of; with the end of the chain it is found', async () => {
    const path = await pathOf(workshop.shard);
    const before = await readFile(path, 'utf8');
    const [, second = ''] = before.split(/(?<=^\u2014 .*\n\n)/m);
    try {
      await writeFile(path, second);
      const { code, lines } = await run('verify');
      expect(code).toBe(exitCodes.right);
      expect(lines.join('\n')).toContain(`shard ${workshop.shard}: 1 checkpoints of the database are in no file`);
      await workshop.force(...cut(5), 'delete from billing.ledger_checkpoints');
      expect(faultsOf(await run('verify'))[0]).toContain('cut off');
    } finally {
      await writeFile(path, before);
    }
  });

  test('no checkpoint of a shard at all: an export of it is not called right', async () => {
    const other = (workshop.shard + 1) % 8;
    await workshop.spend(2, await workshop.newUser(other));
    const { code, lines } = await offline(await exported());
    expect(code).toBe(exitCodes.notChecked);
    expect(lines).toContain(`NOT CHECKED shard ${other}: no checkpoint stands for any of its 2 entries`);
    expect(lines.join()).not.toContain('are right');
    // Beside its server a shard may be younger than the next signature.
    expect((await run('verify')).code).toBe(exitCodes.right);
  });

  test('a moment moved by less than a millisecond, which the hash does not tell', async () => {
    await workshop.force(
      'alter table billing.token_ledger drop constraint token_ledger_created_at_check',
      `update billing.token_ledger set created_at = created_at + interval '1 microsecond' ${at(2)}`,
    );
    for (const found of [await run('verify'), await offline(await exported())]) {
      expect(found.code).toBe(exitCodes.fault);
      expect(faultsOf(found)[0]).toContain(`FAULT shard ${workshop.shard}, entry 2: `);
    }
  });

  test('the files of two shards, put in place of each other', async () => {
    const file = await exported();
    const other = (workshop.shard + 1) % 8;
    const [own, wrong] = [await pathOf(workshop.shard), join(workshop.files.folder, `shard-${other}`)];
    const moved = join(wrong, '2026-01-01.txt');
    try {
      await mkdir(wrong);
      await writeFile(moved, await readFile(own));
      for (const found of [await run('verify'), await offline(file)]) {
        expect(found.code).toBe(exitCodes.fault);
        expect(faultsOf(found).join('\n')).toContain(`it is one of test.example/ledger/${workshop.shard}`);
      }
    } finally {
      await rm(wrong, { recursive: true });
    }
  });
});

describe('calls', () => {
  test.each([
    [[]],
    [['check']],
    [['verify', '--fast']],
    [['verify', '--export', 'x']],
    [['verify', '--export', 'x', '--checkpoints', 'y']],
    [['export', 'x']],
    [['keys', 'x']],
  ])('%j is a wrong one', (args) => {
    expect(() => parseLedgerCommand(args)).toThrow(WrongCall);
  });

  test('keys of somebody else verify nothing', async () => {
    const file = await exported();
    const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
    const call = run('verify', '--export', file, '--checkpoints', workshop.files.folder, '--key', key);
    await expect(call).rejects.toThrow('no checkpoint that these keys have signed');
    await expect(run('verify', '--export', file, '--checkpoints', '/nowhere', '--key', key)).rejects.toThrow(WrongCall);
    await expect(run('verify', '--key', 'x+y')).rejects.toThrow(WrongCall);
  });

  test('an export goes into a new file, whole, or into none', async () => {
    const file = await exported();
    await expect(run('export', '--out', file)).rejects.toThrow('EEXIST');
    await expect(run('export', '--out', join(workshop.folder, 'nowhere', 'x'))).rejects.toThrow('ENOENT');
    expect((await offline(file)).code).toBe(exitCodes.right);
  });

  test('the keys are printed as they are handed out', async () => {
    expect((await run('keys')).lines).toEqual(await workshop.keys.lines());
    await expect(run('rotate-key')).rejects.toThrow('TSUMUGI_LEDGER_KEYS');
  });
});
