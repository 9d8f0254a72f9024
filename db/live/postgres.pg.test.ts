import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { liveStoreContract } from './live-store.contract.ts';
import { PostgresLiveStore } from './postgres.ts';

describe('the contract', () => {
  liveStoreContract(async () => {
    const db = await createTestDatabase();
    const [one, other] = [new PostgresLiveStore(db.url), new PostgresLiveStore(db.url)];
    return {
      one,
      other,
      pass: (ms) => wait(ms), // the store's clock is the server's
      async close() {
        await Promise.all([one.close(), other.close()]);
        await db.close();
      },
    };
  });
});

describe('in PostgreSQL', () => {
  let db: TestDatabase;
  let owner: postgres.Sql;
  let store: PostgresLiveStore;
  beforeAll(async () => {
    db = await createTestDatabase();
    owner = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
    store = new PostgresLiveStore(db.url);
  });
  afterAll(async () => {
    await store.close();
    await owner.end();
    await db.close();
  });

  test('nobody but the server itself sees a row', async () => {
    await store.putOnce('secret', 'x', 60_000);
    const seen = async () => (tx: { sql: postgres.TransactionSql }) => tx.sql`select key from live.once`;
    const userId = '00000000-0000-4000-8000-000000000001';
    expect(await db.database.asUser(userId, await seen())).toHaveLength(0);
    expect(await db.database.asAdmin(userId, await seen())).toHaveLength(0);
    expect(await db.database.asService(await seen())).toHaveLength(1);
  });

  test('after its connections are cut it listens and answers again', async () => {
    const heard: string[] = [];
    let arrived = Promise.withResolvers<void>();
    const missed = Promise.withResolvers<void>();
    const endGap = store.onGap(missed.resolve);
    const end = await store.subscribe('cut', (payload) => {
      heard.push(payload);
      arrived.resolve();
    });
    await store.publish('cut', 'before');
    await arrived.promise;
    await owner`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'tsumugi live'`;
    arrived = Promise.withResolvers();
    // Messages of the time in between are lost; from when this is told, they arrive again.
    await missed.promise;
    endGap();
    await store.publish('cut', 'after');
    await arrived.promise;
    expect(heard[0]).toBe('before');
    expect(heard[1]).toBe('after');
    await end();
  });

  test('sweep leaves no trace of what is over', async () => {
    await store.putSession('u', 's', 'v', 1);
    await store.putOnce('o', 'v', 1);
    await store.takeTokens('b', { burst: 1, perSecond: 1000 });
    await store.appendLog([{ generationId: 'g', epoch: 1, seq: 0, offset: 0, text: 'x' }]);
    await store.dropLog(['g'], 1);
    await store.publish('nobody', 'x'.repeat(9000));
    await owner`update live.messages set expires_at = now()`;
    await owner`update live.once set expires_at = now()`;
    await wait(20);
    await store.sweep();
    const [row] = await owner`
      select (select count(*) from live.sessions)::int + (select count(*) from live.once)::int
        + (select count(*) from live.buckets)::int + (select count(*) from live.log_heads)::int
        + (select count(*) from live.log_pieces)::int + (select count(*) from live.messages)::int as n`;
    expect(row?.['n']).toBe(0);
  });
});
