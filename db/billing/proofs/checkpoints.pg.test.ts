import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../testing/postgres.ts';
import { findLatestCheckpoint, insertCheckpoint, listCheckpoints } from './checkpoints.ts';

let test_: TestDatabase;
beforeAll(async () => {
  test_ = await createTestDatabase();
});
afterAll(() => test_.close());

test('a shard’s newest checkpoints are listed all, of the older ones some, and the last one always', async () => {
  const listed = await test_.database.asService(async (tx) => {
    for (let size = 1; size <= 30; size++) await insertCheckpoint(tx, { shard: 3, size, note: `note ${size}` });
    await insertCheckpoint(tx, { shard: 4, size: 99, note: 'of another shard' });
    expect(await findLatestCheckpoint(tx, 3)).toMatchObject({ size: 30 });
    return { some: await listCheckpoints(tx, 3, 5, 10), all: await listCheckpoints(tx, 3) };
  });
  expect(listed.some.map(({ size }) => size)).toEqual([1, 11, 21, 26, 27, 28, 29, 30]);
  expect(listed.all).toHaveLength(30);
});
