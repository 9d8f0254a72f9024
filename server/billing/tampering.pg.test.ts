/** 000-R28, R29: the ledger cannot be changed; where a superuser forces it, the check finds it. And who may read what. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { genesisHash, hashEntry } from '../../workers/billing/hash-entries.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { systemClock } from '../clock.ts';
import { BillingService } from './service.ts';

let test_: TestDatabase;
let owner: postgres.Sql;
let pool: WorkerPool;
let billing: BillingService;
let [alice, bob] = ['', ''];
/** A shard with at least three entries: Alice's, who pays. */
let shard = 0;

beforeAll(async () => {
  pool = new WorkerPool({ threads: 1, maxQueue: 100 });
  test_ = await createTestDatabase();
  owner = postgres(test_.ownerUrl, { max: 1, onnotice: () => {} });
  billing = new BillingService(test_.database, pool, systemClock, {
    signUpGrantTokens: 1_000,
    mode: 'free',
  });
  [alice, bob] = [randomUUID(), randomUUID()];
  const pays = (tokensOut: number) => ({
    generationId: randomUUID(),
    userId: alice,
    payeeUserId: null,
    conversationId: randomUUID(),
    messageId: null,
    tokensIn: 10,
    tokensOut,
    newConversation: false,
    atMs: Date.now(),
  });
  // Settled first: the grants come from the platform, whose shard may happen to be hers, and would take the first places.
  const charges = await test_.database.asService((tx) => billing.settle(tx, [pays(1), pays(2), pays(3)]));
  const settled = await billing.booked(charges);
  shard = settled[0]?.entry?.shard ?? -1;
  for (const user of [alice, bob])
    await billing.ledger.settled(await test_.database.asService((tx) => billing.grantSignUp(tx, user)));
  for (const table of tampered) await owner.unsafe(`create table public.${table} as select * from billing.${table}`);
});
// Whatever a test has done is taken back; a database of its own for each would cost half a second each.
afterEach(async () => {
  const puts = tampered.map((table) => `insert into billing.${table} select * from public.${table}`);
  await force(...tampered.map((table) => `delete from billing.${table}`), ...puts.toReversed());
  expect(await billing.verifyChain()).toEqual({ ok: true, entries: 5, problems: [] });
});
afterAll(async () => {
  await pool.close();
  await owner.end();
  await test_.close();
});

const tampered = ['token_ledger', 'ledger_heads', 'account_balances'] as const;
/** As the superuser, with the guard switched off. */
const force = (...statements: string[]) =>
  owner.begin(async (sql) => {
    await sql`alter table billing.token_ledger disable trigger all`;
    for (const statement of statements) await sql.unsafe(statement.replaceAll(':shard', String(shard)));
    await sql`alter table billing.token_ledger enable trigger all`;
    await sql`alter table billing.token_ledger enable always trigger token_ledger_refuse_change`;
  });

const attempt = (statement: string) =>
  test_.database
    .asService((tx) => tx.sql.unsafe(statement).simple())
    .then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

describe('000-R28: entries are never changed', () => {
  const changes = [
    'update billing.token_ledger set token_amount = 1',
    'update billing.token_ledger set purpose = purpose where false',
    'delete from billing.token_ledger',
    'truncate billing.token_ledger cascade',
  ];

  test('by the server', async () => {
    for (const change of changes) expect(await attempt(change)).toBe('42501');
    expect(await attempt('delete from billing.ledger_heads')).toBe('42501');
    expect(await attempt('delete from billing.account_balances')).toBe('42501');
    expect(await attempt("insert into billing.ledger_heads values (7, 0, '')")).toBe('42501');
    expect(await attempt('alter table billing.token_ledger disable trigger all')).toBe('42501');
    expect(await billing.verifyChain()).toMatchObject({ ok: true, entries: 5 });
  });

  test('by the owner of the tables, with triggers of replication switched off too', async () => {
    for (const change of changes) {
      await expect(owner.unsafe(change)).rejects.toMatchObject({ message: expect.stringContaining('append-only') });
    }
    await expect(
      owner.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`delete from billing.token_ledger`;
      }),
    ).rejects.toMatchObject({ message: expect.stringContaining('append-only') });
    expect(await billing.verifyChain()).toMatchObject({ ok: true, entries: 5 });
  });

  test('000-R29: a correction takes one entry back, once', async () => {
    const reverse = (id: string, seq: number) => owner`
      insert into billing.token_ledger (shard, seq, id, from_account, to_account, asset, token_amount, purpose, status, reverses_id,
        idempotency_key, hash, prev_hash, hash_version, created_at)
      select shard, ${seq}, ${id}, to_account, from_account, asset, token_amount, 'reversal', 'reversed', id, 'reverse:' || ${id}::text,
        hash, prev_hash, 1, created_at from billing.token_ledger where shard = ${shard} and seq = 2`;
    await reverse(randomUUID(), 90);
    await expect(reverse(randomUUID(), 91)).rejects.toMatchObject({ code: '23505' });
    const { entries } = await billing.listLedger(alice, undefined, 10);
    expect(
      entries
        .filter(({ status }) => status === 'reversed')
        .map(({ seq }) => seq)
        .sort(),
    ).toEqual([2, 90]);
  });
});

describe('a superuser who forces a change is found out', () => {
  const at = (seq: number) => `where shard = :shard and seq = ${seq}`;

  test.each([
    ['an amount', `update billing.token_ledger set token_amount = token_amount + 1 ${at(2)}`],
    ['a price', `update billing.token_ledger set unit_price_micro = 5 ${at(2)}`],
    ['a purpose', `update billing.token_ledger set purpose = 'gift' ${at(2)}`],
    ['a time', `update billing.token_ledger set created_at = created_at + interval '1 ms' ${at(2)}`],
    [
      'an account',
      `update billing.token_ledger set to_account = '00000000-0000-4000-8000-000000000000' , from_account = '00000000-0000-4000-8000-000000000001' ${at(2)}`,
    ],
    ['a conversation', `update billing.token_ledger set conv_id = null ${at(2)}`],
    ['a key', `update billing.token_ledger set idempotency_key = 'x' ${at(2)}`],
    ['an id', `update billing.token_ledger set id = gen_random_uuid() ${at(2)}`],
    ['a hash', `update billing.token_ledger set hash = sha256('x') ${at(2)}`],
    ['a previous hash', `update billing.token_ledger set prev_hash = sha256('x') ${at(2)}`],
    ['the version', `update billing.token_ledger set hash_version = 2 ${at(2)}`],
  ])('who edits %s', async (_what, statement) => {
    await force(statement);
    expect(await billing.verifyChain()).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([expect.objectContaining({ shard, seq: 2 })]),
    });
  });

  test.each([
    ['deletes one in the middle', [`delete from billing.token_ledger ${at(2)}`], 2],
    ['cuts off the end', [`delete from billing.token_ledger where shard = :shard and seq >= 3`], 3],
    [
      'cuts off the end and moves the head back',
      [
        `delete from billing.token_ledger where shard = :shard and seq >= 3`,
        `update billing.ledger_heads set seq = 2 where shard = :shard`,
      ],
      2,
    ],
    [
      'swaps two',
      [
        `update billing.token_ledger set seq = 900 ${at(2)}`,
        `update billing.token_ledger set seq = 2 ${at(3)}`,
        `update billing.token_ledger set seq = 3 ${at(900)}`,
      ],
      2,
    ],
  ])('who %s', async (_what, statements, seq) => {
    await force(...statements);
    const report = await billing.verifyChain();
    expect(report.problems).toContainEqual(expect.objectContaining({ shard, seq }));
  });

  test('who adds an entry with a right hash behind the end', async () => {
    const id = randomUUID();
    await force(`insert into billing.token_ledger select shard, seq + 50, '${id}', from_account, to_account, asset, token_amount, unit_price_micro,
      purpose, conv_id, msg_id, generation_id, status, null, '${id}', hash, prev_hash, 1, created_at from billing.token_ledger ${at(3)}`);
    expect((await billing.verifyChain()).problems).toContainEqual(
      expect.objectContaining({ shard, problem: expect.stringContaining('behind the stored end') }),
    );
  });

  test('who gives himself a balance', async () => {
    await owner`update billing.account_balances set balance = balance + 1000000 where balance > 0`;
    const { ok, problems } = await billing.verifyChain();
    expect(ok).toBe(false);
    // Two accounts; and the asset no longer sums up to zero.
    expect(problems).toHaveLength(3);
  });

  test('a verifier outside of the server comes to the same hashes', async () => {
    const rows =
      await owner`select *, extract(epoch from created_at) * 1000 as ms from billing.token_ledger where shard = ${shard} order by seq`;
    let previous = genesisHash(shard);
    for (const row of rows) {
      const hash = hashEntry(
        {
          entryId: row['id'],
          shard,
          fromAccount: row['from_account'],
          toAccount: row['to_account'],
          asset: row['asset'],
          tokenAmount: Number(row['token_amount']),
          unitPriceMicro: Number(row['unit_price_micro']),
          purpose: row['purpose'],
          status: row['status'],
          reversesId: row['reverses_id'],
          conversationId: row['conv_id'],
          messageId: row['msg_id'],
          generationId: row['generation_id'],
          idempotencyKey: row['idempotency_key'],
          createdAtMs: Number(row['ms']),
        },
        Number(row['seq']),
        previous,
      );
      expect(row['hash'].toString('hex')).toBe(hash);
      previous = hash;
    }
    expect(rows.length).toBeGreaterThanOrEqual(3);
  });
});

describe('row level security', () => {
  const tables = ['accounts', 'account_balances', 'ledger_heads', 'token_ledger', 'usage_counters'] as const;
  const count = async (who: 'alice' | 'bob' | 'nobody', table: string) => {
    const work = (tx: { sql: postgres.TransactionSql }) =>
      tx.sql.unsafe(`select count(*)::int as n from billing.${table}`);
    if (who !== 'nobody') return (await test_.database.asUser(who === 'alice' ? alice : bob, work))[0]?.['n'];
    const sql = postgres(test_.url, { max: 1 });
    const rows = await sql.unsafe(`select count(*)::int as n from billing.${table}`).finally(() => sql.end());
    return rows[0]?.['n'];
  };

  test('a person sees his own account, balance, entries and usage, and nothing else', async () => {
    expect(await Promise.all(tables.map((table) => count('alice', table)))).toEqual([1, 1, 0, 4, 1]);
    expect(await Promise.all(tables.map((table) => count('bob', table)))).toEqual([1, 1, 0, 1, 0]);
    expect(await Promise.all(tables.map((table) => count('nobody', table)))).toEqual([0, 0, 0, 0, 0]);
    expect(await billing.balance(bob)).toBe(1_000);
  });

  test('a person writes nothing', async () => {
    const asAlice = (statement: string) =>
      test_.database
        .asUser(alice, (tx) => tx.sql.unsafe(statement))
        .then(
          (rows) => rows.count,
          (error: { code: string }) => error.code,
        );
    expect(await asAlice('update billing.account_balances set balance = balance + 1')).toBe(0);
    expect(await asAlice('update billing.usage_counters set tokens_in = 0')).toBe(0);
    expect(await asAlice(`update billing.accounts set owner_id = '${bob}'`)).toBe(0);
    expect(await asAlice("update billing.ledger_heads set seq = 0, hash = sha256('')")).toBe(0);
    expect(
      await asAlice(
        `insert into billing.accounts (id, owner_type, owner_id) values (gen_random_uuid(), 'user', '${alice}')`,
      ),
    ).toBe('42501');
    expect(await asAlice('insert into billing.token_ledger select * from billing.token_ledger')).toBe('42501');
  });
});
