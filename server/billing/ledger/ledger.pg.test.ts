/** Leadership of shards, crashes, fencing, and entries that cannot be booked, against a real PostgreSQL and its live store. */
import { randomUUID } from 'node:crypto';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bookPending } from '../../../db/billing/ledger/booking.ts';
import { type LedHead, readLedHeads } from '../../../db/billing/ledger/leases.ts';
import type { Database } from '../../../db/client.ts';
import { PostgresLiveStore } from '../../../db/live/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../../db/testing/postgres.ts';
import { hashEntries, SHARDS } from '../../../workers/billing/hash-entries.ts';
import { WorkerPool } from '../../../workers/pool.ts';
import { ManualClock, systemClock } from '../../clock.ts';
import { checkChains } from '../chain-check.ts';
import { Ledger, type LedgerParts } from './ledger.ts';
import { EntryRefused, type Movement, type PendingRef } from './movement.ts';

let test_: TestDatabase;
let db: Database;
let owner: postgres.Sql;
let pool: WorkerPool;
let live: PostgresLiveStore;
let running: Ledger[] = [];
let account = '';

beforeAll(async () => {
  test_ = await createTestDatabase();
  db = test_.database;
  owner = postgres(test_.ownerUrl, { max: 1, onnotice: () => {} });
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
  live = new PostgresLiveStore(test_.url);
});
beforeEach(async () => {
  account = await db.asService((tx) => new Ledger(partsOf('accounts')).accountOf(tx, randomUUID()));
});
afterEach(async () => {
  for (const ledger of running) await ledger.stop();
  running = [];
  expect(await checkChains(db, pool)).toMatchObject({ ok: true, problems: [] });
  expect(await owner`select 1 from billing.pending_entries where refused is null`).toHaveLength(0);
});
afterAll(async () => {
  await live.close();
  await pool.close();
  await owner.end();
  await test_.close();
});

const log = { warn() {}, error() {} };
const partsOf = (name: string): LedgerParts => ({ db, runner: pool, clock: systemClock, log, news: live, name });
/** @param parts a clock that stands still makes a gateway that hangs: it keeps what it leads, and never looks. */
async function start(name: string, parts: Partial<LedgerParts> = {}): Promise<Ledger> {
  const ledger = new Ledger({ ...partsOf(name), ...parts });
  await ledger.start();
  running.push(ledger);
  return ledger;
}
const grant = (to = account, key = randomUUID()): Movement => ({
  fromAccount: '00000000-0000-4000-8000-000000000003',
  toAccount: to,
  asset: 'token',
  tokenAmount: 5,
  purpose: 'adjustment',
  idempotencyKey: `test:${key}`,
});
const enqueue = (ledger: Ledger, ...movements: Movement[]): Promise<PendingRef[]> =>
  db.asService((tx) => ledger.enqueue(tx, movements));
const leaders = async () =>
  (await owner`select leader from billing.ledger_heads where leader is not null order by shard`).map(
    (row) => row['leader'],
  );
/** The leases have ended, whatever their holders believe. */
const endLeases = () => owner`update billing.ledger_heads set lease_until = now() - interval '1 second'`;

describe('leadership', () => {
  test('the first gateway leads all, leaves them when it stops, and the next leads them at once', async () => {
    const first = await start('first');
    expect(await leaders()).toEqual(Array(SHARDS).fill('first'));
    await start('second');
    expect(await leaders()).toEqual(Array(SHARDS).fill('first'));
    await first.stop();
    await expect.poll(leaders, { interval: 10 }).toEqual(Array(SHARDS).fill('second'));
  });

  test('an entry of a gateway that leads nothing is booked by the leader, which is woken', async () => {
    await start('leader');
    const other = await start('other', { clock: new ManualClock() });
    // The other's clock stands still, so nothing is found by looking now and then: only by what is said.
    const [booked] = await other.settled(await enqueue(other, grant()));
    expect(booked).toMatchObject({ shard: 3, seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  test('without any news, looking now and then finds both what waits and what is booked', async () => {
    await start('leader', { news: undefined });
    const other = await start('other', { news: undefined });
    const [booked] = await other.settled(await enqueue(other, grant()));
    expect(booked?.seq).toBeGreaterThan(0);
  });
});

describe('a gateway that dies', () => {
  test('between its commit and the booking: the next leader books what it has decided', async () => {
    const dying = await start('dying', { clock: new ManualClock() });
    const refs = await enqueue(dying, grant(), grant());
    await endLeases();
    const heir = await start('heir');
    const booked = await heir.settled(refs.map((ref) => ({ ...ref, draft: undefined })));
    expect(booked).toHaveLength(2);
    const rows = await owner`select 1 from billing.token_ledger where to_account = ${account}`;
    expect(rows).toHaveLength(2);
  });

  test('or only seemed to: what it still tries is refused, and it hears what the heir has booked', async () => {
    const stale = await start('stale', { news: undefined });
    await enqueue(stale, grant());
    await stale.bookPending();
    const before = await db.asService((tx) => readLedHeads(tx, 'stale'));
    const refs = await enqueue(stale, grant());
    await endLeases();
    const heir = await start('heir', { news: undefined });
    expect(await leaders()).toContain('heir');
    const late = refs.flatMap(({ draft }) => (draft === undefined ? [] : [draft]));
    const hashed = hashEntries(before, late);
    const attempt = db.asService((tx) => bookPending(tx, before, hashed, 1));
    await expect(attempt).rejects.toMatchObject({ code: 'TL001' });
    const [told, known] = await Promise.all([stale.settled(refs), heir.settled(refs)]);
    expect(told).toMatchObject([{ seq: known[0]?.seq, hash: known[0]?.hash }]);
    expect(
      await owner`select 1 from billing.token_ledger where idempotency_key = ${refs[0]?.idempotencyKey ?? ''}`,
    ).toHaveLength(1);
  });
});

describe('the statement that books', () => {
  const heads = () => db.asService((tx) => readLedHeads(tx, 'still'));
  const tryBooking = async (spoil: (head: LedHead) => LedHead, refs: readonly PendingRef[]) => {
    const led = (await heads()).filter(({ shard }) => shard === 3).map(spoil);
    const drafts = refs.flatMap(({ draft }) => (draft === undefined ? [] : [draft]));
    const tried = db.asService((tx) => bookPending(tx, led, hashEntries(led, drafts), 1));
    return tried.then(
      () => 'booked',
      (error: { code: string }) => error.code,
    );
  };

  test('compares epoch, sequence and hash, asks for every row, and changes nothing where one differs', async () => {
    const still = await start('still', { clock: new ManualClock(), news: undefined });
    const refs = await enqueue(still, grant(), grant());
    const before = await owner`select * from billing.ledger_heads order by shard`;
    expect(await tryBooking((head) => ({ ...head, epoch: head.epoch - 1 }), refs)).toBe('TL001');
    expect(await tryBooking((head) => ({ ...head, seq: head.seq + 1 }), refs)).toBe('TL001');
    expect(await tryBooking((head) => ({ ...head, hash: 'ab'.repeat(32) }), refs)).toBe('TL001');
    const gone = { ...refs[0], draft: { ...refs[0]?.draft, entryId: randomUUID() } } as PendingRef;
    expect(await tryBooking((head) => head, [gone])).toBe('TL002');
    expect(await owner`select * from billing.ledger_heads order by shard`).toEqual(before);
    expect(await owner`select 1 from billing.token_ledger where to_account = ${account}`).toHaveLength(0);
    await still.bookPending();
  });

  test('finds its writer again when an older version of the server has moved a chain', async () => {
    const ledger = await start('modern', { news: undefined });
    const [first] = await ledger.settled(await enqueue(ledger, grant()));
    const refs = await enqueue(ledger, grant());
    const draft = refs[0]?.draft;
    if (draft === undefined || first === undefined) throw new Error('It has just been made.');
    // As that version does: without an epoch, under the lock of the head alone.
    const mine = await db.asService((tx) => readLedHeads(tx, 'modern'));
    await db.asService((tx) =>
      bookPending(
        tx,
        mine.filter(({ shard }) => shard === 3),
        hashEntries(mine, [draft]),
        1,
      ),
    );
    const [again] = await ledger.settled(refs);
    expect(again).toMatchObject({ seq: first.seq + 1 });
    const [next] = await ledger.settled(await enqueue(ledger, grant()));
    expect(next).toMatchObject({ seq: first.seq + 2 });
  });
});

describe('an entry', () => {
  test('has one key for ever: pending, booked, or asked for by many at once', async () => {
    const ledger = await start('one');
    const movement = grant();
    const attempts = await Promise.all(Array.from({ length: 8 }, () => enqueue(ledger, movement, movement)));
    const places = await Promise.all(attempts.map((refs) => ledger.settled(refs)));
    const [later] = await ledger.settled(await enqueue(ledger, movement));
    expect(new Set(places.flat().map(({ seq }) => seq))).toEqual(new Set([later?.seq]));
    expect(await owner`select balance::int from billing.account_balances where account_id = ${account}`).toEqual([
      { balance: 5 },
    ]);
  });

  test('that was enqueued in the moment in which its key was booked gives way to that one', async () => {
    const ledger = await start('doubled', { clock: new ManualClock(), news: undefined });
    const movement = grant();
    const [first] = await ledger.settled(await enqueue(ledger, movement));
    const id = randomUUID();
    await owner`
      insert into billing.pending_entries (shard, id, from_account, to_account, asset, token_amount, purpose, idempotency_key)
      values (3, ${id}, ${movement.fromAccount}, ${account}, 'token', 5, 'adjustment', ${movement.idempotencyKey})`;
    const late = await enqueue(ledger, grant());
    await ledger.bookPending();
    expect(await ledger.settled(late)).toMatchObject([{ seq: (first?.seq ?? 0) + 1 }]);
    expect(await owner`select 1 from billing.pending_entries where id = ${id}`).toHaveLength(0);
  });

  test('is taken back once, by many at once under one key, and under no other', async () => {
    const ledger = await start('corrections');
    const [booked] = await ledger.settled(await enqueue(ledger, grant()));
    const back = (key: string): Movement => ({
      ...grant(),
      ...{ fromAccount: account, toAccount: grant().fromAccount, purpose: 'reversal', idempotencyKey: key },
      reversesId: booked?.entryId ?? '',
    });
    const key = `reversal:${randomUUID()}`;
    await Promise.all(Array.from({ length: 6 }, async () => ledger.settled(await enqueue(ledger, back(key)))));
    expect(await owner`select 1 from billing.token_ledger where reverses_id = ${booked?.entryId ?? ''}`).toHaveLength(
      1,
    );
    await expect(enqueue(ledger, back(`reversal:${randomUUID()}`))).rejects.toBeInstanceOf(EntryRefused);
  });

  test('of a transaction that was rolled back is refused, and holds up nothing', async () => {
    const ledger = await start('rolled back');
    let lost: PendingRef[] = [];
    const failed = db.asService(async (tx) => {
      lost = await ledger.enqueue(tx, [grant()]);
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    const kept = await enqueue(ledger, grant());
    const [gone, fine] = await ledger.outcomesOf([...lost, ...kept]);
    expect(gone).toBeInstanceOf(EntryRefused);
    expect(fine).toMatchObject({ seq: expect.any(Number) });
    await expect(ledger.settled(lost)).rejects.toBeInstanceOf(EntryRefused);
  });

  test('that the ledger refuses is set apart, with the reason, and the others are booked', async () => {
    const ledger = await start('refusing');
    const refs = await enqueue(ledger, grant(), grant(), grant(randomUUID()), grant(), grant());
    const outcomes = await ledger.outcomesOf(refs);
    expect(outcomes.map((one) => one instanceof EntryRefused)).toEqual([false, false, true, false, false]);
    const [apart] = await owner`select refused from billing.pending_entries where refused is not null`;
    expect(apart?.['refused']).toContain('account_balances_account_id_fkey');
    const [again] = await ledger.outcomesOf(refs.slice(2, 3).map((ref) => ({ ...ref, draft: undefined })));
    expect(again).toBeInstanceOf(EntryRefused);
  });

  test('that is none is refused at once', async () => {
    const ledger = await start('strict');
    for (const wrong of [
      { tokenAmount: 0 },
      { tokenAmount: 1.5 },
      { toAccount: grant().fromAccount },
      { idempotencyKey: '' },
    ]) {
      await expect(enqueue(ledger, { ...grant(), ...wrong })).rejects.toBeInstanceOf(RangeError);
    }
  });
});

test('nothing is lost while the connections of the database are cut again and again', async () => {
  const ledger = await start('cut off');
  const wishes: Promise<unknown>[] = [];
  for (let round = 0; round < 20; round++) {
    const refs = await enqueue(ledger, ...Array.from({ length: 10 }, () => grant())).catch(() => []);
    wishes.push(ledger.outcomesOf(refs));
    if (round % 4 === 0)
      await owner`select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user and datname = current_database()
        and application_name = 'tsumugi'`;
  }
  const outcomes = (await Promise.all(wishes)).flat();
  expect(outcomes.some((one) => one instanceof EntryRefused)).toBe(false);
  // More where a commit was not heard of.
  const rows = await owner`select 1 from billing.token_ledger where to_account = ${account}`;
  expect(rows.length).toBeGreaterThanOrEqual(outcomes.length);
  expect(outcomes.length).toBeGreaterThan(50);
});
