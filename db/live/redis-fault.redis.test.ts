import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRedis, type TestRedis } from '../testing/redis.ts';
import { RedisLiveStore } from './redis.ts';
import { RedisUnfitError, redisFault } from './redis-fault.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
  const client = new Redis(redis.url);
  await client.config('SET', 'requirepass', 'open sesame');
  client.disconnect();
});
afterAll(() => redis.stop());

/** What the first call says of an address. */
async function faultOf(change: (url: URL) => void): Promise<string | undefined> {
  const url = new URL(redis.url);
  change(url);
  const store = new RedisLiveStore(url.href);
  try {
    await store.ping();
    return undefined;
  } catch (error) {
    return redisFault(error);
  } finally {
    await store.close();
  }
}

test.each<[string, (url: URL) => void, string | undefined]>([
  ['nothing of the right password', (url) => (url.password = 'open sesame'), undefined],
  ['that one is wanted', () => {}, 'wants a password'],
  ['that it is wrong', (url) => (url.password = 'open barley'), 'refuses the user name or the password'],
  [
    'that a database is not there, instead of using another one',
    (url) => Object.assign(url, { password: 'open sesame', pathname: '/99' }),
    'has no database of this number',
  ],
  ['why nobody answers', (url) => (url.port = '1'), 'does not answer (ECONNREFUSED)'],
])('says %s', async (_what, change, fault) => {
  expect(await faultOf(change)).toBe(fault);
});

test('quotes nothing of an answer, which may repeat the password', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const said = await faultOf((url) => Object.assign(url, { port: String(port), password: 'open sesame' }));
  expect(said).toMatch(/^does not answer/);
  other.close();
  const echo = Object.assign(new Error("ERR unknown command 'AUTH', with args beginning with: 'open sesame'"), {
    name: 'ReplyError',
  });
  expect(redisFault(echo)).toBe('answers with an error (ERR)');
  expect(redisFault(new RedisUnfitError('is too old: it is 6.2.1, and 7.0 or newer is needed'))).toContain('6.2.1');
});
