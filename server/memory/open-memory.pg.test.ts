/** Which embedding the settings give, and a provider that is away. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../db/testing/postgres.ts';
import { WorkerPool } from '../../workers/pool.ts';
import { systemClock } from '../clock.ts';
import type { Embedder } from './embedder.ts';
import { openMemory } from './open-memory.ts';
import type { MemoryService } from './service.ts';

let database: TestDatabase;
let pool: WorkerPool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new WorkerPool({ threads: 1, maxQueue: 10 });
});
afterAll(async () => {
  await pool.close();
  await database.close();
});

const embedder: Embedder = {
  model: 'far-16',
  dimensions: 16,
  embed: async (texts) => texts.map(() => new Float32Array(16).fill(0.25)),
};

function open(openaiEmbeddingModel: string | undefined, connect: () => Promise<Embedder>) {
  const warnings: string[] = [];
  const log = { warn: (_facts: object, message: string) => warnings.push(message) };
  const parts = {
    config: { openaiEmbeddingModel },
    db: database.database,
    pool,
    clock: systemClock,
    log,
    model: { embedder: connect },
  };
  return { memory: openMemory(parts), warnings };
}
const says = (ownerId: string) =>
  ({ scope: 'user', ownerId, objectType: 'message', objectId: null, text: 'I have a red bicycle.', meta: {} }) as const;
const ask = (userId: string) => ({ userId, avatarId: randomUUID(), text: 'What colour is my bicycle?', top: 3 });
/** With the deadline of production, which a busy machine may miss at first. */
const findsOne = (memory: MemoryService, userId: string) =>
  expect.poll(() => memory.retrieve(ask(userId)).catch(() => [])).toHaveLength(1);

test('without a model no provider is asked', async () => {
  const memory = await open(undefined, () => expect.fail('asked')).memory;
  const userId = randomUUID();
  await memory.remember([says(userId)]);
  await findsOne(memory, userId);
});

test('a provider that refuses the model stops the start', async () => {
  const refusal = Object.assign(new Error('no such model'), { status: 404 });
  await expect(open('far-16', () => Promise.reject(refusal)).memory).rejects.toBe(refusal);
});

test('a provider that is away costs memories until it is back, not the start', async () => {
  let away = true;
  const connect = () => (away ? Promise.reject(new Error('connect ECONNREFUSED')) : Promise.resolve(embedder));
  const { memory: opening, warnings } = open('far-16', connect);
  const memory = await opening;
  expect(warnings).toHaveLength(1);
  const userId = randomUUID();
  await expect(memory.retrieve(ask(userId))).rejects.toThrow('has not answered');
  await expect(memory.remember([says(userId)])).rejects.toThrow('ECONNREFUSED');
  away = false;
  await memory.remember([says(userId)]);
  await findsOne(memory, userId);
});
