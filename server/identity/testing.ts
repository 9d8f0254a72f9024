/** An identity service over a database and a live store of its own, with a clock that stands still. For tests. */
import { randomBytes } from 'node:crypto';
import { ColumnKeys } from '../../db/keys/column-keys.ts';
import { FixedMasterKeys } from '../../db/keys/master-key-source.ts';
import { PostgresLiveStore } from '../../db/live/postgres.ts';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { ManualClock } from '../clock.ts';
import { Passwords } from './passwords.ts';
import { type IdentityOptions, IdentityService } from './service.ts';

export const cheapPasswords = () => new Passwords({ memoryKib: 8, passes: 1, concurrency: 2, queueLimit: 100 });
export const origin = { address: '203.0.113.77', userAgent: 'test' };
export const password = 'correct horse battery';

export type IdentityHarness = {
  test: TestDatabase;
  clock: ManualClock;
  live: PostgresLiveStore;
  identity: IdentityService;
  /** `userId sessionId` of sessions whose end was announced to the first gateway. */
  ended: string[];
  /** Another gateway over the same stores. */
  anotherGateway(options?: Partial<Omit<IdentityOptions, 'live'>>): Promise<IdentityService>;
  /** A fresh address of a mailbox. */
  newMail(): string;
  close(): Promise<void>;
};

export async function createIdentityHarness(
  options: Partial<Omit<IdentityOptions, 'live'>> = {},
): Promise<IdentityHarness> {
  const test = await createTestDatabase();
  const live = new PostgresLiveStore(test.url);
  const clock = new ManualClock(Date.now());
  const setting = `k1:${randomBytes(32).toString('base64')}`;
  const ended: string[] = [];
  const gateways: IdentityService[] = [];
  const anotherGateway = async (more: Partial<Omit<IdentityOptions, 'live'>> = {}) => {
    const keys = new ColumnKeys(new FixedMasterKeys(setting));
    const gateway = new IdentityService({
      db: test.database,
      live,
      keys,
      clock,
      passwords: cheapPasswords(),
      ...options,
      ...more,
    });
    gateways.push(gateway);
    await gateway.start();
    return gateway;
  };
  const identity = await anotherGateway({
    onSessionEnded: (userId, sessionId) => ended.push(`${userId} ${sessionId}`),
  });
  return {
    test,
    clock,
    live,
    identity,
    ended,
    anotherGateway,
    newMail: () => `${randomBytes(6).toString('hex')}@example.com`,
    async close() {
      for (const gateway of gateways) await gateway.close();
      await live.close();
      await test.close();
    },
  };
}
