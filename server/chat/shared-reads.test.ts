import { expect, it } from 'vitest';
import { SharedReads } from './shared-reads.ts';

function openReads() {
  const reads = new SharedReads<number>();
  const running: { begun: () => void; resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  const ask = (key: string) =>
    reads.read(key, (begun) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      running.push({ begun, resolve, reject });
      return promise;
    });
  return { ask, running };
}

it('gives one reading to all who ask before it begins, and another one to who asks later', async () => {
  const { ask, running } = openReads();
  const early = [ask('a'), ask('a'), ask('b')];
  expect(running).toHaveLength(2);
  running[0]?.begun();
  const late = ask('a');
  expect(running).toHaveLength(3);
  for (const [index, one] of running.entries()) one.resolve(index);
  expect(await Promise.all([...early, late])).toEqual([0, 0, 1, 2]);
});

it('tells a failure to all who wait for it, and tries anew for the next', async () => {
  const { ask, running } = openReads();
  const both = [ask('a'), ask('a')];
  running[0]?.reject(new Error('away'));
  for (const one of both) await expect(one).rejects.toThrow('away');
  const again = ask('a');
  running[1]?.resolve(7);
  expect(await again).toBe(7);
});

it('leaves a newer reading to be shared when an older one fails late', async () => {
  const { ask, running } = openReads();
  const first = ask('a');
  running[0]?.begun();
  const newer = ask('a');
  running[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  const shared = ask('a');
  expect(running).toHaveLength(2);
  running[1]?.resolve(3);
  expect(await Promise.all([newer, shared])).toEqual([3, 3]);
});
