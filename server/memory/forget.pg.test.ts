/** Erasing what was said in a conversation, here and on other gateways. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { ManualClock } from '../clock.ts';
import { OfflineEmbedder } from './embedder.ts';
import { defaultLimits, MemoryService } from './service.ts';

let database: TestDatabase;
let pool: WorkerPool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new WorkerPool({ threads: 1, maxQueue: 1_000 });
});
afterAll(async () => {
  await pool.close();
  await database.close();
});

function open(): MemoryService {
  const log = { warn: (_facts: object, message: string) => expect.fail(message) };
  const parts = {
    db: database.database,
    runner: pool,
    embedder: new OfflineEmbedder(pool),
    clock: new ManualClock(),
    log,
  };
  return new MemoryService(parts, { ...defaultLimits, deadlineMs: 10_000 });
}

test('what was said in a deleted conversation is gone, everywhere, and the rest stays', async () => {
  const [here, there] = [open(), open()];
  here.onForgotten((userId) => there.forgetUser(userId));
  const userId = randomUUID();
  const [deleted, kept] = [randomUUID(), randomUUID()];
  const say = (conversationId: string, text: string) =>
    here.rememberTurn({ userId, conversationId, messageId: randomUUID(), text });
  say(deleted, 'My sister Hanako moved to Sapporo last spring.');
  say(kept, 'My brother plays the cello in Sapporo.');
  await here.idle();
  const find = async (memory: MemoryService) =>
    (await memory.retrieve({ userId, avatarId: randomUUID(), text: 'Who lives in Sapporo?', top: 5 })).map(
      (found) => found.source.conversationId,
    );
  expect((await find(there)).toSorted()).toEqual([deleted, kept].toSorted());

  // One that is still waiting to be remembered must not come back behind the deletion.
  say(deleted, 'Sapporo was cold when Hanako arrived there.');
  await here.forgetConversation(userId, deleted);
  expect(await find(here)).toEqual([kept]);
  expect(await find(there)).toEqual([kept]);
  const rows = await database.database.asService(
    (tx) => tx.sql`select text from memory.embeddings where owner_id = ${userId}`,
  );
  expect(rows.map((row) => row['text'])).toEqual(['My brother plays the cello in Sapporo.']);
});
