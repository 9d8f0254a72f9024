import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisLiveStore } from '../../db/live/redis.ts';
import { startRedis, type TestRedis } from '../../db/testing/redis.ts';
import type { Push } from '../../protocol/down.ts';
import { ManualClock } from '../clock.ts';
import { UserPresence } from './presence.ts';

let redis: TestRedis;
let live: RedisLiveStore;
beforeAll(async () => {
  redis = await startRedis();
  live = new RedisLiveStore(redis.url);
});
afterAll(async () => {
  await live.close();
  await redis.stop();
});

const user = 'hana';

/** One gateway with connections that a test counts up and down. */
class TestGateway {
  readonly clock = new ManualClock();
  readonly told: string[] = [];
  readonly presence: UserPresence;
  #count = 0;
  #heard: () => void = () => {};

  constructor(name: string, shared: RedisLiveStore | undefined) {
    const tell = (where: string) => (_userId: string, push: Push) => {
      this.told.push(`${where} ${JSON.stringify(push.body)}`);
      this.#heard();
    };
    this.presence = new UserPresence({
      live: shared,
      gateway: name,
      countHere: () => this.#count,
      usersHere: () => (this.#count > 0 ? [user] : []),
      tellHere: tell('here'),
      tellEverywhere: tell('everywhere'),
      clock: this.clock,
      log: { warn: () => {} },
    });
  }

  open(): void {
    this.#count += 1;
    this.presence.changed(user, 'opened');
  }

  close(): void {
    this.#count -= 1;
    this.presence.changed(user, 'closed');
  }

  /** What is told next, after the pause. */
  async next(): Promise<string | undefined> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    this.clock.advance(250);
    await heard;
    return this.told.at(-1);
  }
}

describe('presence', () => {
  it('is told on one gateway when it changes, once for a crowd, and not to who is alone', async () => {
    const only = new TestGateway('only', undefined);
    only.open();
    only.clock.advance(250);
    await only.presence.count(user);
    expect(only.told).toEqual([]);
    for (let i = 0; i < 10; i++) only.open();
    expect(await only.next()).toBe('here {"connections":11}');
    for (let i = 0; i < 10; i++) only.close();
    expect(await only.next()).toBe('here {"connections":1}');
    expect(only.told).toHaveLength(2);
  });

  it('is counted over gateways, told to all that have connections, and lasts while it is renewed', async () => {
    const [east, west] = [new TestGateway('east', live), new TestGateway('west', live)];
    east.open();
    expect(await east.presence.count(user)).toBe(1);
    west.open();
    west.open();
    expect(await west.next()).toBe('everywhere {"connections":3}');
    expect(await east.presence.count(user)).toBe(3);
    west.close();
    west.close();
    expect(await west.next()).toBe('everywhere {"connections":1}');
    expect(east.told).toEqual([]);
    await redis.loseData();
    expect(await live.countPresence(user)).toBe(0);
    east.clock.advance(20_000);
    await expect.poll(() => live.countPresence(user)).toBe(1);
  });

  it('is told to a crowd when it has come to rest, and in the end even if it does not', async () => {
    const told: string[] = [];
    const counts = new Map<string, number>();
    const clock = new ManualClock();
    const presence = new UserPresence({
      live: undefined,
      gateway: 'only',
      countHere: (userId) => counts.get(userId) ?? 0,
      usersHere: () => counts.keys(),
      tellHere: (userId) => void told.push(userId),
      tellEverywhere: () => {},
      clock,
      log: { warn: () => {} },
    });
    const open = (userId: string) => {
      counts.set(userId, (counts.get(userId) ?? 0) + 1);
      presence.changed(userId, 'opened');
    };
    for (let place = 0; place < 200; place++) open(`user ${place}`);
    for (let step = 0; step < 4; step++) {
      clock.advance(200);
      for (let place = 0; place < 200; place++) open(`user ${place}`);
    }
    await presence.count('user 0');
    expect(told).toEqual([]);
    clock.advance(500);
    await expect.poll(() => told.length).toBe(200);
    // One that never rests.
    for (let passedMs = 0; passedMs <= 5_000; passedMs += 100) {
      for (let place = 0; place < 200; place++) open(`user ${place}`);
      clock.advance(100);
    }
    await expect.poll(() => told.length).toBe(400);
  });
});
