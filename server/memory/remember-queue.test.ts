import { expect, test } from 'vitest';
import { ManualClock } from '../clock.ts';
import { RememberQueue } from './remember-queue.ts';

const options = { maxQueued: 4, batch: 2, gatherMs: 0, retryMs: 1_000, maxTries: 3 };
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

function open(store: (items: number[]) => Promise<void>, gatherMs = 0) {
  const clock = new ManualClock();
  const warnings: object[] = [];
  const queue = new RememberQueue(store, clock, { warn: (facts) => warnings.push(facts) }, { ...options, gatherMs });
  return { queue, clock, warnings };
}

test('works off batches in order', async () => {
  const stored: number[][] = [];
  const { queue } = open(async (items) => void stored.push(items));
  for (const item of [1, 2, 3]) queue.add(item);
  await queue.idle();
  queue.add(4);
  await queue.idle();
  expect(stored).toEqual([[1, 2], [3], [4]]);
});

test('an unfilled batch waits for more, but not when somebody waits for it', async () => {
  const stored: number[][] = [];
  const { queue, clock } = open(async (items) => void stored.push(items), 200);
  queue.add(1);
  await nextTurn();
  queue.add(2);
  expect(stored).toEqual([]);
  clock.advance(200);
  await nextTurn();
  expect(stored).toEqual([[1, 2]]);
  queue.add(3);
  await nextTurn();
  await queue.idle();
  queue.add(4);
  await queue.close();
  expect(stored).toEqual([[1, 2], [3], [4]]);
});

test('what does not fit is counted and told, without its text', async () => {
  const { queue, warnings } = open(async () => {});
  for (const item of [1, 2, 3, 4, 5, 6]) queue.add(item);
  expect(queue.length).toBe(4);
  expect(queue.lost).toBe(2);
  expect(warnings.at(-1)).toEqual({ count: 1, lost: 2 });
  await queue.idle();
});

test('tries again later, and gives up after some tries', async () => {
  let fails = 2;
  const stored: number[][] = [];
  const { queue, clock } = open(async (items) => {
    if (fails-- > 0) throw new Error('busy');
    stored.push(items);
  });
  queue.add(1);
  for (let turn = 0; turn < 4; turn++) {
    await nextTurn();
    clock.advance(2_000);
  }
  await queue.idle();
  expect(stored).toEqual([[1]]);
  fails = 3;
  queue.add(2);
  for (let turn = 0; turn < 6; turn++) {
    await nextTurn();
    clock.advance(2_000);
  }
  await queue.idle();
  expect(stored).toEqual([[1]]);
  expect(queue.lost).toBe(1);
});

test('closing tries what is there once and takes nothing more', async () => {
  const tried: number[][] = [];
  const { queue } = open(async (items) => {
    tried.push(items);
    throw new Error('gone');
  });
  for (const item of [1, 2, 3]) queue.add(item);
  await nextTurn();
  await queue.close();
  queue.add(4);
  await queue.idle();
  // The first batch once more after its pause was cut short, the second once.
  expect(tried).toEqual([[1, 2], [1, 2], [3]]);
  expect(queue.lost).toBe(4);
});
