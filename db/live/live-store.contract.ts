/** What every live store must do. `postgres.pg.test.ts` and `redis.redis.test.ts` run it against the real thing. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveStore, LogPiece } from './live-store.ts';

export type StoreUnderTest = {
  /** Two stores on the same server, as two gateways have. */
  one: LiveStore;
  other: LiveStore;
  /** Moves the store's own time, or waits until it has passed. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
};

/** Strings that stores get wrong. */
export const hardTexts = [
  '',
  'NULL',
  '{a,"b"}',
  '\\x00',
  "it's; drop --",
  'a\0b',
  '\0',
  '\ud83d',
  '\ude00 lone low',
  '😀 紡ぎ',
  '\u0001',
  '\u0001"json"',
  '\u2028\r\n\t',
  '\ufeff bom',
  '\ufffd',
];

export function liveStoreContract(open: () => Promise<StoreUnderTest>): void {
  let store: StoreUnderTest;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store.close());

  describe('sessions', () => sessionContract(() => store));
  describe('values for one use', () => onceContract(() => store));
  describe('token buckets', () => bucketContract(() => store));
  describe('the log', () => logContract(() => store));
  describe('leases', () => leaseContract(() => store));
  describe('presence', () => presenceContract(() => store));
  describe('messages', () => messageContract(() => store));
}

function sessionContract(get: () => StoreUnderTest): void {
  test('are stored, replaced, listed and dropped by user', async () => {
    const { one, other } = get();
    const [user, stranger] = [randomUUID(), randomUUID()];
    await one.putSession(user, 'b', 'first', 60_000);
    await one.putSession(user, 'a', 'x', 60_000);
    await one.putSession(user, 'b', 'second', 60_000);
    await one.putSession(stranger, 'c', 'y', 60_000);
    expect(await other.getSession(user, 'b')).toBe('second');
    expect((await other.listSessions(user)).sort()).toEqual(['a', 'b']);
    await other.dropSession(user, 'b');
    expect(await one.getSession(user, 'b')).toBeUndefined();
    expect(await one.listSessions(user)).toEqual(['a']);
    expect(await one.getSession(stranger, 'a')).toBeUndefined();
  });

  test('end by themselves', async () => {
    const { one, pass } = get();
    const user = randomUUID();
    await one.putSession(user, 'short', 'x', 40);
    await one.putSession(user, 'long', 'x', 60_000);
    await pass(60);
    expect(await one.getSession(user, 'short')).toBeUndefined();
    expect(await one.listSessions(user)).toEqual(['long']);
    await one.sweep();
    expect(await one.listSessions(user)).toEqual(['long']);
  });
}

function onceContract(get: () => StoreUnderTest): void {
  test('one of twenty takers gets it', async () => {
    const { one, other } = get();
    const key = `ticket:${randomUUID()}`;
    await one.putOnce(key, 'prize', 60_000);
    const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).takeOnce(key)));
    expect(taken.filter((value) => value !== undefined)).toEqual(['prize']);
  });

  test('is gone after its life, and comes back exactly', async () => {
    const { one, pass } = get();
    await one.putOnce('late', 'x', 40);
    await pass(60);
    expect(await one.takeOnce('late')).toBeUndefined();
    for (const text of hardTexts) {
      await one.putOnce(`key ${text}`, text, 60_000);
      expect(await one.takeOnce(`key ${text}`)).toBe(text);
    }
  });
}

function bucketContract(get: () => StoreUnderTest): void {
  test('puts a one-use value for each token, and none without', async () => {
    const { one, other } = get();
    const bucket = `bucket ${randomUUID()} 紡`;
    const put = (store: LiveStore, text: string) =>
      store.putOnceFor(
        bucket,
        { burst: 2, perSecond: 0.001 },
        { key: `${bucket} ${text}`, value: text, ttlMs: 60_000 },
      );
    const [hard = ''] = hardTexts;
    expect(await put(one, hard)).toEqual({ retryAfterMs: 0 });
    expect((await other.takeTokens(bucket, { burst: 2, perSecond: 0.001 })).retryAfterMs).toBe(0);
    expect((await put(other, 'refused')).retryAfterMs).toBeGreaterThan(0);
    expect(await other.takeOnce(`${bucket} ${hard}`)).toBe(hard);
    expect(await one.takeOnce(`${bucket} ${hard}`)).toBeUndefined();
    expect(await one.takeOnce(`${bucket} refused`)).toBeUndefined();
  });

  test('forty takers at once get no more than the burst', async () => {
    const { one, other } = get();
    const key = randomUUID();
    const limit = { burst: 10, perSecond: 0.001 };
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).takeTokens(key, limit)),
    );
    expect(answers.filter(({ retryAfterMs }) => retryAfterMs === 0)).toHaveLength(10);
    for (const { retryAfterMs } of answers) expect(retryAfterMs === 0 || retryAfterMs > 900_000).toBe(true);
  });

  test('fills again with time, up to the burst', async () => {
    const { one, pass } = get();
    const key = randomUUID();
    // So slow that nothing comes while one only asks, however long that takes.
    const [slow, quick] = [
      { burst: 2, perSecond: 0.002 },
      { burst: 2, perSecond: 20 },
    ];
    await one.takeTokens(key, slow, 2);
    const { retryAfterMs } = await one.takeTokens(key, slow);
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(500_000);
    await pass(300);
    expect((await one.takeTokens(key, slow)).retryAfterMs).toBeGreaterThan(0);
    await pass(300);
    expect(await one.takeTokens(key, quick, 0)).toEqual({ retryAfterMs: 0 });
    expect(await one.takeTokens(key, slow, 2)).toEqual({ retryAfterMs: 0 });
    expect((await one.takeTokens(key, slow)).retryAfterMs).toBeGreaterThan(0);
  });

  test('takes nothing for a refusal, and takes back what is given back', async () => {
    const { one } = get();
    const key = randomUUID();
    const limit = { burst: 5, perSecond: 0.001 };
    expect((await one.takeTokens(key, limit, 6)).retryAfterMs).toBeGreaterThan(0);
    expect(await one.takeTokens(key, limit, 5)).toEqual({ retryAfterMs: 0 });
    expect(await one.takeTokens(key, limit, -3)).toEqual({ retryAfterMs: 0 });
    expect(await one.takeTokens(key, limit, 3)).toEqual({ retryAfterMs: 0 });
    expect((await one.takeTokens(key, limit)).retryAfterMs).toBeGreaterThan(0);
    await one.takeTokens(key, limit, -100);
    expect((await one.takeTokens(key, limit, 6)).retryAfterMs).toBeGreaterThan(0);
    expect(await one.takeTokens(key, limit, 5)).toEqual({ retryAfterMs: 0 });
    // A bucket that never fills still answers with a number.
    expect((await one.takeTokens(randomUUID(), { burst: 1, perSecond: 0 }, 2)).retryAfterMs).toBe(86_400_000);
  });
}

function piece(generationId: string, seq: number, text = `t${seq}`, epoch = 1): LogPiece {
  return { generationId, epoch, seq, offset: seq * 2, text };
}

function logContract(get: () => StoreUnderTest): void {
  test('keeps pieces of many generations, in order, once', async () => {
    const { one, other } = get();
    const [a, b] = [randomUUID(), randomUUID()];
    expect(await one.appendLog([piece(a, 0), piece(b, 0), piece(a, 1)])).toEqual({ refused: [], lost: [] });
    await one.appendLog([piece(a, 2)]);
    // A caller that did not hear the answer sends again.
    await one.appendLog([piece(a, 1), piece(a, 2), piece(a, 3)]);
    expect(await other.readLog(a, -1)).toEqual([0, 1, 2, 3].map((seq) => piece(a, seq)));
    expect(await other.readLog(a, 1)).toEqual([2, 3].map((seq) => piece(a, seq)));
    expect(await other.readLog(b, -1)).toEqual([piece(b, 0)]);
    expect(await other.readLog(randomUUID(), -1)).toEqual([]);
    expect(await one.appendLog([])).toEqual({ refused: [], lost: [] });
  });

  test('gives every string back as it was', async () => {
    const { one } = get();
    const id = randomUUID();
    const pieces = hardTexts.map((text, seq) => piece(id, seq, text));
    await one.appendLog(pieces);
    expect(await one.readLog(id, -1)).toEqual(pieces);
  });

  test('takes a batch of a thousand generations', async () => {
    const { one } = get();
    const ids = Array.from({ length: 1000 }, () => randomUUID());
    await one.appendLog(ids.map((id) => piece(id, 0)));
    await one.appendLog(ids.map((id) => piece(id, 1)));
    expect(await one.readLog(ids[999] ?? '', -1)).toHaveLength(2);
  });

  test('takes first pieces again as the same, alone or among others', async () => {
    const { one, other } = get();
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
    await one.appendLog([piece(a, 0)]);
    expect(await one.appendLog([piece(a, 0), piece(b, 0), piece(b, 1), piece(c, 0)])).toEqual({
      refused: [],
      lost: [],
    });
    expect(await one.appendLog([piece(c, 1), piece(a, 0), piece(a, 1), piece(b, 0)])).toEqual({
      refused: [],
      lost: [],
    });
    for (const id of [a, b, c]) expect(await other.readLog(id, -1)).toEqual([piece(id, 0), piece(id, 1)]);
  });

  test('has the first piece of an answer that is fenced at the same moment, or refuses it', async () => {
    const { one, other } = get();
    for (let round = 0; round < 20; round++) {
      const ids = Array.from({ length: 4 }, () => randomUUID());
      const [appended] = await Promise.all([
        one.appendLog(ids.map((id) => piece(id, 0))),
        ...ids.map((id) => other.fenceLog(id, 2)),
      ]);
      for (const id of ids) {
        const stored = (await other.readLog(id, -1)).length === 1;
        expect(appended).toEqual({ refused: expect.any(Array), lost: [] });
        expect(appended.refused.includes(id)).toBe(!stored);
        expect(await one.appendLog([piece(id, 1)])).toEqual({ refused: [id], lost: [] });
      }
    }
  });

  test('refuses an older epoch, and only that', async () => {
    const { one, other } = get();
    const [a, b] = [randomUUID(), randomUUID()];
    await one.appendLog([piece(a, 0), piece(b, 0)]);
    await other.appendLog([piece(a, 1, 'new', 2)]);
    expect(await one.appendLog([piece(a, 1, 'old', 1), piece(a, 2, 'old', 1), piece(b, 1)])).toEqual({
      refused: [a],
      lost: [],
    });
    expect((await one.readLog(a, -1)).map(({ text }) => text)).toEqual(['t0', 'new']);
    expect(await one.readLog(b, -1)).toHaveLength(2);
  });

  test('puts nothing behind a log that it has lost, and takes the whole of it again', async () => {
    const { one, other } = get();
    const [lost, kept] = [randomUUID(), randomUUID()];
    await one.appendLog([piece(lost, 0), piece(lost, 1), piece(kept, 0)]);
    await other.dropLog([lost], 0);
    expect(await one.appendLog([piece(lost, 2), piece(kept, 1)])).toEqual({ refused: [], lost: [lost] });
    expect(await one.readLog(lost, -1)).toEqual([]);
    expect(await one.readLog(kept, -1)).toHaveLength(2);
    const whole = [0, 1, 2].map((seq) => piece(lost, seq));
    expect(await one.appendLog(whole)).toEqual({ refused: [], lost: [] });
    expect(await other.readLog(lost, -1)).toEqual(whole);
  });

  test('fenced, nothing of the older owner comes behind what is read', async () => {
    const { one, other } = get();
    for (let round = 0; round < 15; round++) {
      const id = randomUUID();
      let acknowledged = 0;
      const writing = (async () => {
        for (let seq = 0; ; seq++) {
          const { refused } = await one.appendLog([piece(id, seq)]);
          if (refused.length > 0) return;
          acknowledged++;
        }
      })();
      while (acknowledged < 2) await new Promise(setImmediate);
      await other.fenceLog(id, 2);
      const read = await other.readLog(id, -1);
      await writing;
      expect(await other.readLog(id, -1)).toEqual(read);
      expect(read).toHaveLength(acknowledged);
      expect(await other.appendLog([piece(id, read.length, 'on', 2)])).toEqual({ refused: [], lost: [] });
    }
  });

  test('two gateways write batches of the same generations without blocking each other for good', async () => {
    const { one, other } = get();
    const ids = Array.from({ length: 40 }, () => randomUUID());
    const write = async (gateway: LiveStore, order: string[], epoch: number) => {
      for (let seq = 0; seq < 10; seq++) await gateway.appendLog(order.map((id) => piece(id, seq, 'x', epoch)));
    };
    await Promise.all([write(one, ids, 1), write(other, ids.toReversed(), 2)]);
    for (const id of ids) expect((await one.readLog(id, -1)).map(({ epoch }) => epoch)).toEqual(Array(10).fill(2));
  });

  test('is dropped at once or later', async () => {
    const { one, pass } = get();
    const [now, later, kept] = [randomUUID(), randomUUID(), randomUUID()];
    await one.appendLog([piece(now, 0), piece(later, 0), piece(kept, 0)]);
    await one.dropLog([now], 0);
    await one.dropLog([later], 60_000);
    await one.dropLog([], 0);
    expect(await one.readLog(now, -1)).toEqual([]);
    expect(await one.readLog(later, -1)).toHaveLength(1);
    await one.dropLog([later], 40);
    await pass(60);
    await one.sweep();
    expect(await one.readLog(later, -1)).toEqual([]);
    expect(await one.readLog(kept, -1)).toHaveLength(1);
  });
}

function leaseContract(get: () => StoreUnderTest): void {
  test('one of twenty gets it; the epoch rises with every owner', async () => {
    const { one, other, pass } = get();
    const name = randomUUID();
    const tries = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).acquireLease(name, `owner ${i}`, 60_000)),
    );
    expect(tries.filter((lease) => lease !== undefined)).toEqual([{ epoch: 1 }]);
    const owner = `owner ${tries.findIndex((lease) => lease !== undefined)}`;
    expect(await one.acquireLease(name, owner, 30)).toEqual({ epoch: 1 });
    await pass(60);
    expect(await one.acquireLease(name, 'next', 60_000)).toEqual({ epoch: 2 });
    expect(await one.acquireLease(name, owner, 60_000)).toBeUndefined();
    await one.releaseLease(name, owner); // not his any more: changes nothing
    expect(await one.acquireLease(name, owner, 60_000)).toBeUndefined();
    await one.releaseLease(name, 'next');
    expect(await one.acquireLease(name, owner, 60_000)).toEqual({ epoch: 3 });
  });

  test('an heir gets what has ended; what nobody knows only after its owner had time to come back', async () => {
    const { one, other, pass } = get();
    const [ended, held, given, unknown, gone] = [randomUUID(), randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await one.acquireLease(ended, 'owner', 20);
    await one.acquireLease(held, 'owner', 60_000);
    await one.acquireLease(given, 'owner', 60_000);
    await one.releaseLease(given, 'owner');
    for (const name of [unknown, gone]) expect(await other.inheritLease(name, 'heir', 100)).toBeUndefined();
    expect(await one.acquireLease(unknown, 'owner', 60_000)).toEqual({ epoch: 1 });
    expect(await other.inheritLease(given, 'heir', 60_000)).toEqual({ epoch: 2 });
    await pass(150);
    expect(await other.inheritLease(ended, 'heir', 60_000)).toEqual({ epoch: 2 });
    expect(await other.inheritLease(held, 'heir', 60_000)).toBeUndefined();
    expect(await other.inheritLease(unknown, 'heir', 60_000)).toBeUndefined();
    expect(await other.inheritLease(gone, 'heir', 60_000)).toEqual({ epoch: 1 });
    expect(await one.inheritLease(gone, 'second heir', 60_000)).toBeUndefined();
    expect(await one.acquireLease(ended, 'owner', 60_000)).toBeUndefined();
  });

  test('renewing names what was lost', async () => {
    const { one, other, pass } = get();
    const [mine, taken, unknown] = [randomUUID(), randomUUID(), randomUUID()];
    await one.acquireLease(mine, 'me', 60_000);
    await one.acquireLease(taken, 'me', 30);
    await pass(60);
    await other.acquireLease(taken, 'you', 60_000);
    expect((await one.renewLeases([mine, taken, unknown], 'me', 60_000)).lost.sort()).toEqual([taken, unknown].sort());
    expect(await other.acquireLease(mine, 'you', 1000)).toBeUndefined();
    expect(await one.renewLeases([], 'me', 1)).toEqual({ lost: [] });
  });
}

function presenceContract(get: () => StoreUnderTest): void {
  test('is counted over all gateways, and ends with what said it', async () => {
    const { one, other, pass } = get();
    const user = randomUUID();
    const say = async (store: LiveStore, gateway: string, connections: number, lifeMs = 60_000, userId = user) =>
      (await store.setPresence(gateway, [{ userId, connections }], lifeMs))[0];
    expect(await one.countPresence(user)).toBe(0);
    expect(await say(one, 'east', 1)).toBe(1);
    expect(await say(other, 'west', 2)).toBe(3);
    expect(await say(one, 'east', 3)).toBe(5);
    expect(await say(one, 'east', 1, 60_000, randomUUID())).toBe(1);
    expect(await say(other, 'west', 2, 40)).toBe(5);
    await pass(60);
    expect(await one.countPresence(user)).toBe(3);
    expect(await say(other, 'west', 1)).toBe(4);
    expect(await say(one, 'east', 0)).toBe(1);
    await one.sweep();
    expect(await one.countPresence(user)).toBe(1);
    expect(await say(other, 'west', 0)).toBe(0);
    expect(await say(other, 'west', 0)).toBe(0);
  });

  test('is said of many users at once', async () => {
    const { one, other } = get();
    const [first, second, third] = [randomUUID(), `${randomUUID()} 紡\0`, randomUUID()];
    const of = (...counts: number[]) =>
      [first, second, third].map((userId, place) => ({ userId, connections: counts[place] ?? 0 }));
    expect(await one.setPresence('east', of(1, 2, 0), 60_000)).toEqual([1, 2, 0]);
    expect(await other.setPresence('west', of(5, 0, 7), 60_000)).toEqual([6, 2, 7]);
    expect(await one.setPresence('east', of(0, 3, 1), 60_000)).toEqual([5, 3, 8]);
    expect(await Promise.all([first, second, third].map((userId) => one.countPresence(userId)))).toEqual([5, 3, 8]);
    expect(await one.setPresence('east', [], 60_000)).toEqual([]);
  });
}

function messageContract(get: () => StoreUnderTest): void {
  test('reach everybody, the publisher too, in order, exactly', async () => {
    const { one, other } = get();
    const channel = `chan "${randomUUID()}" 紡`;
    // Long and short mixed: the long ones travel another way and must not be overtaken.
    const long = '長い'.repeat(20_000);
    const sent = [...hardTexts, long, 'after', `${long}\0`, 'last', 'last'];
    const heard: string[][] = [[], []];
    const whole = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const ends = await Promise.all(
      [one, other].map((gateway, index) =>
        gateway.subscribe(channel, (payload) => {
          if (heard[index]?.push(payload) === sent.length) whole[index]?.resolve();
        }),
      ),
    );
    await Promise.all(sent.map((payload) => one.publish(channel, payload)));
    await one.publish(`${channel} other`, 'not for us');
    await Promise.all(whole.map(({ promise }) => promise));
    expect(heard).toEqual([sent, sent]);
    await Promise.all(ends.map((end) => end()));
  });

  test('stop after the end of a subscription; others go on', async () => {
    const { one, other } = get();
    const channel = randomUUID();
    const ended: string[] = [];
    const end = await one.subscribe(channel, (payload) => ended.push(payload));
    let next: (payload: string) => void = () => {};
    const goOn = await one.subscribe(channel, (payload) => next(payload));
    await end();
    const arrived = new Promise<string>((resolve) => {
      next = resolve;
    });
    await other.publish(channel, 'hello');
    expect(await arrived).toBe('hello');
    expect(ended).toEqual([]);
    await goOn();
    await one.ping();
  });
}
