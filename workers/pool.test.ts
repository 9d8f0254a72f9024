/** The pool with real threads: back pressure, order, abort, and threads that die. */
import { afterEach, describe, expect, test } from 'vitest';
import { BusyError, PoolClosedError, WorkerLostError } from './errors.ts';
import { type TaskOutcome, WorkerPool, type WorkerPoolOptions } from './pool.ts';

const failing = new URL('./testing/failing-worker.ts', import.meta.url);
const pools: WorkerPool[] = [];
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())));

function open(options: Partial<WorkerPoolOptions> = {}): WorkerPool {
  const pool = new WorkerPool({ threads: 1, maxQueue: 100, ...options });
  pools.push(pool);
  return pool;
}
const embed = (pool: WorkerPool, texts: string[]) => pool.run('memory/embed-text', { texts, dimensions: 64 });

/** Fills the only thread with a task that ends when `open` is called. */
async function blocked(pool: WorkerPool) {
  const flag = new SharedArrayBuffer(8);
  const gate = new Int32Array(flag);
  const input = { texts: ['wait'], dimensions: 64, flag };
  const done = pool.run('memory/embed-text', input);
  const begun = Atomics.waitAsync(gate, 0, 0);
  if (begun.async) await begun.value;
  return {
    done,
    open() {
      Atomics.store(gate, 1, 1);
      Atomics.notify(gate, 1);
    },
  };
}

describe('tasks', () => {
  test('every task of the map answers', async () => {
    const pool = open();
    await pool.warmUp();
    const [vector] = await embed(pool, ['The sea']);
    expect(vector).toBeInstanceOf(Float32Array);
    expect(await pool.run('billing/meter-tokens', { model: 'gpt-4o', texts: ['Hello, world!'] })).toEqual([4]);
    expect(await pool.run('billing/hash-entries', { heads: [], entries: [] })).toEqual([]);
    const namespaces = [{ buffer: new SharedArrayBuffer(64 * 4), rows: 1, dimensions: 64 }];
    expect(await pool.run('memory/retrieve', { namespaces, text: 'sea', top: 3, minScore: -1 })).toHaveLength(1);
  });

  test('an error of a task arrives with its name and message, and the thread lives on', async () => {
    const pool = open();
    await expect(pool.run('memory/embed-text', { texts: [], dimensions: 3 })).rejects.toMatchObject({
      name: 'RangeError',
      message: expect.stringContaining('dimensions'),
    });
    await expect(embed(pool, ['after'])).resolves.toHaveLength(1);
  });

  test('measures waiting and running of each task', async () => {
    const seen: { task: string; waitMs: number; runMs: number; outcome: TaskOutcome }[] = [];
    const pool = open({ onTask: (task, waitMs, runMs, outcome) => seen.push({ task, waitMs, runMs, outcome }) });
    await Promise.all([embed(pool, ['a']), embed(pool, ['b'])]);
    expect(seen).toHaveLength(2);
    for (const { task, waitMs, runMs, outcome } of seen) {
      expect([task, outcome]).toEqual(['memory/embed-text', 'done']);
      expect(waitMs).toBeGreaterThanOrEqual(0);
      expect(runMs).toBeGreaterThan(0);
    }
  });
});

describe('back pressure', () => {
  test('a full queue answers busy at once and takes tasks again later', async () => {
    const pool = open({ maxQueue: 2, filename: failing });
    const first = await blocked(pool);
    const waiting = [embed(pool, ['one']), embed(pool, ['two'])];
    expect(pool.queueLength).toBe(2);
    const refused = embed(pool, ['three']);
    await expect(refused).rejects.toBeInstanceOf(BusyError);
    await expect(refused).rejects.toMatchObject({ code: 'busy' });
    first.open();
    await Promise.all(waiting);
    await expect(embed(pool, ['four'])).resolves.toHaveLength(1);
    expect(pool.queueLength).toBe(0);
  });

  test('interactive tasks overtake background tasks, which never fill the whole queue', async () => {
    const pool = open({ maxQueue: 4, filename: failing });
    const first = await blocked(pool);
    const order: string[] = [];
    const start = (name: string, priority: 'background' | 'interactive') =>
      pool.run('memory/embed-text', { texts: [name], dimensions: 64 }, { priority }).then(() => order.push(name));
    const background = [start('b1', 'background'), start('b2', 'background')];
    await expect(start('b3', 'background')).rejects.toBeInstanceOf(BusyError);
    const interactive = [start('i1', 'interactive'), start('i2', 'interactive')];
    first.open();
    await Promise.all([...background, ...interactive]);
    expect(order).toEqual(['i1', 'i2', 'b1', 'b2']);
  });
});

describe('abort', () => {
  test('a waiting task leaves the queue', async () => {
    const pool = open({ filename: failing });
    const first = await blocked(pool);
    const abort = new AbortController();
    const waiting = pool.run('memory/embed-text', { texts: ['x'], dimensions: 64 }, { signal: abort.signal });
    expect(pool.queueLength).toBe(1);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.queueLength).toBe(0);
    first.open();
    await first.done;
  });

  test('a running task answers at once, and its thread goes on', async () => {
    const pool = open({ filename: failing });
    const abort = new AbortController();
    const flag = new SharedArrayBuffer(8);
    const gate = new Int32Array(flag);
    const input = { texts: ['wait'], dimensions: 64, flag };
    const running = pool.run('memory/embed-text', input, { signal: abort.signal });
    const begun = Atomics.waitAsync(gate, 0, 0);
    if (begun.async) await begun.value;
    abort.abort();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    Atomics.store(gate, 1, 1);
    Atomics.notify(gate, 1);
    await expect(embed(pool, ['next'])).resolves.toHaveLength(1);
  });

  test('a signal that has fired starts nothing', async () => {
    const pool = open();
    const run = pool.run('memory/embed-text', { texts: ['x'], dimensions: 64 }, { signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    expect(pool.running + pool.queueLength).toBe(0);
  });
});

describe('a thread dies', () => {
  test.each(['exit', 'throw later'])('%s: its task fails, those behind it run', async (command) => {
    const pool = open({ filename: failing });
    const lost = embed(pool, [command]);
    const behind = embed(pool, ['behind']);
    await expect(lost).rejects.toBeInstanceOf(WorkerLostError);
    await expect(behind).resolves.toHaveLength(1);
  });

  test('out of memory: its task fails without a second try, those behind it run', async () => {
    const outcomes: string[] = [];
    const pool = open({
      filename: failing,
      maxHeapMb: 48,
      onTask: (_task, _wait, _run, outcome) => outcomes.push(outcome),
    });
    const lost = embed(pool, ['eat memory']);
    const behind = embed(pool, ['behind']);
    await expect(lost).rejects.toMatchObject({ cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } });
    await expect(behind).resolves.toHaveLength(1);
    expect(outcomes).toEqual(['lost', 'done']);
  });

  test('a task that was not at fault succeeds at the second try', async () => {
    const pool = open({ filename: failing });
    const flag = new SharedArrayBuffer(8);
    const input = { texts: ['exit once'], dimensions: 64, flag };
    await expect(pool.run('memory/embed-text', input)).resolves.toHaveLength(1);
    expect(new Int32Array(flag)[0]).toBe(2);
  });

  test('a task that never ends is ended', async () => {
    const pool = open({ filename: failing, taskTimeoutMs: 3_000 });
    await pool.warmUp();
    await expect(embed(pool, ['spin'])).rejects.toBeInstanceOf(WorkerLostError);
    await pool.warmUp(); // The time of a task includes the start of a new thread, which takes longer than this test allows.
    await expect(embed(pool, ['next'])).resolves.toHaveLength(1);
  });

  test('many deaths in a row leave a pool that works', async () => {
    const pool = open({ threads: 2, filename: failing });
    const deaths = Array.from({ length: 3 }, (_, index) => embed(pool, [index % 2 ? 'exit' : 'throw later']));
    const results = await Promise.allSettled(deaths);
    expect(results.map((result) => result.status)).toEqual(new Array(3).fill('rejected'));
    await expect(embed(pool, ['still here'])).resolves.toHaveLength(1);
  });
});

test('closing finishes what runs, refuses what comes, and ends the threads', async () => {
  const pool = open({ filename: failing });
  const first = await blocked(pool);
  const waiting = embed(pool, ['waits']);
  const closing = pool.close();
  await expect(embed(pool, ['late'])).rejects.toBeInstanceOf(PoolClosedError);
  first.open();
  await expect(first.done).resolves.toBeUndefined();
  await expect(waiting).resolves.toHaveLength(1);
  await closing;
  expect(pool.running).toBe(0);
});
