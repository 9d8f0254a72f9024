import { expect, it } from 'vitest';
import { createTestDatabase } from '../db/testing/postgres.ts';
import { systemClock } from './clock.ts';
import { loadConfig } from './config.ts';
import { Lifecycle } from './lifecycle.ts';
import { createLog } from './log.ts';
import { openStorage } from './storage.ts';

const log = createLog({ level: 'silent' });

/** What a start with these settings says when it fails. */
async function complaint(env: Record<string, string>): Promise<string> {
  const lifecycle = new Lifecycle(log);
  try {
    await openStorage(loadConfig(env), log, systemClock, lifecycle, () => {});
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await lifecycle.close();
  }
}

it('names the setting whose server cannot be reached, and keeps its password', async () => {
  expect(await complaint({ DATABASE_URL: 'postgres://someone:hidden@127.0.0.1:1/nowhere' })).toMatch(
    /^DATABASE_URL: (?!.*hidden)/,
  );
  const database = await createTestDatabase();
  try {
    const REDIS_URL = 'redis://:hidden@127.0.0.1:1';
    expect(await complaint({ DATABASE_URL: database.ownerUrl, REDIS_URL })).toBe(
      'REDIS_URL: Redis at 127.0.0.1:1 does not answer (ECONNREFUSED).',
    );
  } finally {
    await database.close();
  }
});
