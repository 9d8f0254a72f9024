import { expect, it } from 'vitest';
import { SharedReads } from './shared-reads.ts';

type Reading = { take: () => string[]; resolve: (values: string[]) => void; reject: (error: Error) => void };

function openReads() {
  const running: Reading[] = [];
  const reads = new SharedReads<string, string>(
    (wish) => wish,
    (take) => {
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      running.push({ take, resolve, reject });
      return promise;
    },
  );
  /** The reading of that place begins and ends. */
  const finish = (place: number, word: string) => {
    const wishes = running[place]?.take() ?? [];
    running[place]?.resolve(wishes.map((wish) => `${wish} ${word}`));
    return wishes;
  };
  return { reads, running, finish };
}

it('gives one reading to all who ask before it begins, and another one to who asks later', async () => {
  const { reads, running, finish } = openReads();
  const early = [reads.read('a'), reads.read('a'), reads.read('b')];
  expect(running[0]?.take()).toEqual(['a', 'b']);
  const late = reads.read('a');
  running[0]?.resolve(['a first', 'b first']);
  expect(await Promise.all(early)).toEqual(['a first', 'a first', 'b first']);
  expect(finish(1, 'second')).toEqual(['a']);
  expect(await late).toBe('a second');
});

it('reads what is asked for meanwhile together, in the order of asking, and not too much at once', async () => {
  const { reads, running, finish } = openReads();
  const names = Array.from({ length: 40 }, (_, place) => `${place}`);
  const first = [reads.read('x'), reads.read('y')];
  expect(running.map(({ take }) => take())).toEqual([['x', 'y'], []]);
  const all = Promise.all(names.map((name) => reads.read(name)));
  expect(running).toHaveLength(2);
  running[1]?.resolve([]);
  running[0]?.resolve(['x first', 'y first']);
  expect(await Promise.all(first)).toEqual(['x first', 'y first']);
  await expect.poll(() => running.length).toBe(4);
  expect(finish(2, 'then')).toEqual(names.slice(0, 32));
  expect(finish(3, 'then')).toEqual(names.slice(32));
  expect(await all).toEqual(names.map((name) => `${name} then`));
});

it('tells a failure to all who wait for it, and tries anew for the next', async () => {
  const { reads, running, finish } = openReads();
  const both = [reads.read('a'), reads.read('b')];
  running[0]?.take();
  const later = reads.read('c');
  running[0]?.reject(new Error('away'));
  for (const one of both) await expect(one).rejects.toThrow('away');
  finish(1, 'again');
  expect(await later).toBe('c again');
});

it('tells a failure before anything was read to who waits, and leaves nobody waiting', async () => {
  const { reads, running, finish } = openReads();
  const first = reads.read('a');
  running[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  const lazy = reads.read('b');
  await expect.poll(() => running.length).toBe(2);
  running[1]?.resolve(['never asked for']);
  await expect(lazy).rejects.toThrow('without having begun');
  const again = reads.read('c');
  await expect.poll(() => running.length).toBe(3);
  expect(finish(2, 'at last')).toEqual(['c']);
  expect(await again).toBe('c at last');
});
