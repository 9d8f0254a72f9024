/** The pool and its transactions against a server that goes away at the worst moment. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Database, type Tx } from './client.ts';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

const ann = '00000000-0000-4000-8000-00000000000a';
let db: TestDatabase;
let owner: postgres.Sql;
/** One connection: what a dead one leaves behind would meet the next transaction. */
let single: Database;

beforeAll(async () => {
  db = await createTestDatabase();
  owner = postgres(db.ownerUrl, { max: 2, onnotice: () => {} });
  single = new Database(db.url, { max: 1 });
  await owner.unsafe(`
    CREATE TABLE app.probe (n int PRIMARY KEY);
    GRANT SELECT, INSERT ON app.probe TO tsumugi_app;
    GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO tsumugi_app`);
});
afterAll(async () => {
  await single.close();
  await owner.end();
  await db.close();
});

const pidOf = async (tx: Tx) => (await tx.sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid ?? 0;
const kill = (pid: number) => owner`select pg_terminate_backend(${pid}, 60000)`;
const role = async (tx: Tx) => (await tx.sql<{ role: string }[]>`select app.role() as role`)[0]?.role;

test('killed during a query: the caller hears it, the process lives, the next one works', async () => {
  for (let round = 0; round < 10; round++) {
    const sleeping = Promise.withResolvers<number>();
    const work = single.asUser(ann, async (tx) => {
      sleeping.resolve(await pidOf(tx));
      await tx.sql`select pg_sleep(30)`;
    });
    const heard = expect(work).rejects.toThrow();
    await kill(await sleeping.promise);
    await heard;
    expect(await single.asService(role)).toBe('service');
  }
});

test('killed between two queries: nothing of the dead transaction runs in the next one', async () => {
  for (let round = 0; round < 10; round++) {
    const killed = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const work = single.asService(async (tx) => {
      await kill(await pidOf(tx));
      killed.resolve();
      await goOn.promise;
      await tx.sql`insert into app.probe values (${round})`.then(late.resolve, late.resolve);
    });
    const heard = expect(work).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await killed.promise;
    const next = single.asUser(ann, async (tx) => {
      const before = await role(tx);
      goOn.resolve();
      expect(await late.promise).toBeInstanceOf(Error);
      return [before, await role(tx)];
    });
    await heard;
    expect(await next).toEqual(['user', 'user']);
  }
  expect(await owner`select * from app.probe`).toHaveLength(0);
});

test('killed while idle: all connections come back', async () => {
  const pids = await Promise.all(Array.from({ length: 5 }, () => db.database.asService(pidOf)));
  await Promise.all(pids.map(kill));
  const answers = await Promise.allSettled(Array.from({ length: 20 }, () => db.database.asService(role)));
  // One that was on its way to a dying connection may fail; none may hang, and afterwards all is well.
  expect(answers).toHaveLength(20);
  expect(await Promise.all(Array.from({ length: 20 }, () => db.database.asService(role)))).toEqual(
    Array(20).fill('service'),
  );
});

test('nobody listens: every caller hears it at once', async () => {
  const nowhere = new Database('postgres://a:b@127.0.0.1:1/none', { max: 2 });
  const answers = await Promise.allSettled(Array.from({ length: 6 }, () => nowhere.ping()));
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill('rejected'));
  await nowhere.close();
});

test('an error that was caught still ends the transaction, unless a savepoint held it', async () => {
  const caught = single.asService(async (tx) => {
    await tx.sql`insert into app.probe values (1)`;
    await tx.sql`insert into app.probe values (1)`.catch(() => {});
  });
  await expect(caught).rejects.toThrow(/rolled back/);
  await single.asService(async (tx) => {
    await tx.sql`insert into app.probe values (2)`;
    await tx.sql.savepoint((inner) => inner`insert into app.probe values (2)`).catch(() => {});
    await tx.sql.savepoint((inner) => inner`insert into app.probe values (3)`);
  });
  expect((await owner`select n from app.probe order by n`).map(({ n }) => n)).toEqual([2, 3]);
});

test('a query after the end is refused', async () => {
  const kept = await single.asService(async (tx) => tx);
  expect(() => kept.sql`select 1`).toThrow(/has ended/);
  expect(() => kept.sql.unsafe('select 1')).toThrow(/has ended/);
});

test('closing waits for what runs and refuses what waits', async () => {
  const own = new Database(db.url, { max: 1 });
  const started = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const running = own.asService(async (tx) => {
    await tx.sql`select 1`;
    started.resolve();
    await goOn.promise;
    return role(tx);
  });
  await started.promise;
  const waiting = expect(own.ping()).rejects.toThrow(/closed/);
  expect(own.load).toEqual({ open: 1, idle: 0, waiting: 1 });
  const closing = own.close();
  await waiting;
  goOn.resolve();
  expect(await running).toBe('service');
  await closing;
  await expect(own.ping()).rejects.toThrow(/closed/);
  expect(own.load.open).toBe(0);
});

test('keeps nothing of what it has answered', async () => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const answers: WeakRef<object>[] = [];
  for (let query = 0; query < 20; query++) {
    answers.push(new WeakRef(await single.asService(async (tx) => ({ role: await role(tx) }))));
  }
  // A weak reference holds until the turn of the event loop ends.
  await setImmediate();
  collect();
  expect(answers.filter((answer) => answer.deref() !== undefined).length).toBeLessThan(3);
});
