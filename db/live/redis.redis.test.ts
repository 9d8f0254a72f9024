import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRedis, type TestRedis } from '../testing/redis.ts';
import { liveStoreContract } from './live-store.contract.ts';
import { RedisLiveStore } from './redis.ts';

describe('the contract', () => {
  liveStoreContract(async () => {
    const redis = await startRedis();
    const [one, other] = [new RedisLiveStore(redis.url), new RedisLiveStore(redis.url)];
    return {
      one,
      other,
      pass: (ms) => wait(ms), // the store's clock is the server's
      async close() {
        await Promise.all([one.close(), other.close()]);
        await redis.stop();
      },
    };
  });
});

describe('in Redis', () => {
  let redis: TestRedis;
  let store: RedisLiveStore;
  beforeAll(async () => {
    redis = await startRedis();
    store = new RedisLiveStore(redis.url);
  });
  afterAll(async () => {
    await store.close();
    await redis.stop();
  });

  test('killed and started again, it has what was acknowledged and goes on listening', async () => {
    const piece = { generationId: 'g', epoch: 3, seq: 0, offset: 0, text: 'kept 😀' };
    await store.appendLog([piece]);
    await store.acquireLease('lease', 'me', 60_000);
    const heard = Promise.withResolvers<string>();
    const end = await store.subscribe('channel', heard.resolve);
    const missed = Promise.withResolvers<void>();
    const endGap = store.onGap(missed.resolve);
    await redis.kill();
    await expect(store.appendLog([{ ...piece, seq: 1 }])).rejects.toThrow();
    await redis.restart();
    expect(await store.readLog('g', -1)).toEqual([piece]);
    expect(await store.appendLog([{ ...piece, seq: 1, epoch: 2 }])).toEqual({ refused: ['g'], lost: [] });
    expect(await store.acquireLease('lease', 'you', 1000)).toBeUndefined();
    // Messages of the time in between are lost; from when this is told, they arrive again.
    await missed.promise;
    endGap();
    await store.publish('channel', 'again');
    expect(await heard.promise).toBe('again');
    await end();
  });

  test('notices a piece that is missing in the middle, as after a loss of the last second', async () => {
    const piece = (seq: number) => ({ generationId: 'holed', epoch: 1, seq, offset: seq, text: 'x' });
    await store.appendLog([piece(0)]);
    expect(await store.appendLog([piece(2), piece(3)])).toEqual({ refused: [], lost: ['holed'] });
    expect(await store.readLog('holed', -1)).toEqual([piece(0)]);
    expect(await store.appendLog([piece(0), piece(1), piece(2)])).toEqual({ refused: [], lost: [] });
  });

  test('has sharded channels alone, and only while somebody listens', async () => {
    const client = new Redis(redis.url);
    const channels = async () => [
      ...((await client.pubsub('SHARDCHANNELS')) as string[]),
      ...((await client.pubsub('CHANNELS')) as string[]),
    ];
    const [end, endOther] = await Promise.all([store.subscribe('shard', () => {}), store.subscribe('shard', () => {})]);
    expect(await client.pubsub('SHARDCHANNELS')).toEqual(['live:shard']);
    expect(await client.pubsub('CHANNELS')).toEqual([]);
    await end();
    expect(await channels()).toEqual(['live:shard']);
    await endOther();
    expect(await channels()).toEqual([]);
    client.disconnect();
  });

  test('tells the version once, then only pings', async () => {
    await store.ping();
    await store.ping();
    const nobody = new RedisLiveStore('redis://127.0.0.1:1');
    await expect(nobody.ping()).rejects.toThrow();
    await nobody.close();
  });
});
