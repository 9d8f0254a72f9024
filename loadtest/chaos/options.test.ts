import { expect, test } from 'vitest';
import { type ChaosOptions, ofSeed, readOptions } from './options.ts';

const seed = () => 42;

test('without options it is two minutes of everything, and the seed decides about failover', () => {
  const options = readOptions([], seed);
  expect(options).toMatchObject({ mode: 'chaos', seed: 42, seconds: 120, gateways: 2, failover: 'interrupt' });
  expect(readOptions(['--seed', '43'], seed)).toMatchObject({ seed: 43, failover: 'continue' });
  expect(readOptions(['--storm', '--clients', '10'], seed)).toMatchObject({ mode: 'storm', clients: 10 });
});

test('a row of runs takes the next seeds, and each decides about failover unless that was said', () => {
  const options = readOptions(['--seed', '7', '--runs', '3'], seed) as ChaosOptions;
  expect([0, 1].map((place) => ofSeed(options, place))).toMatchObject([
    { seed: 7, failover: 'continue' },
    { seed: 8, failover: 'interrupt' },
  ]);
  expect(ofSeed(readOptions(['--seed', '7', '--failover', 'continue'], seed) as ChaosOptions, 1).failover).toBe(
    'continue',
  );
});

test.each([
  [['--seconds', 'long'], '--seconds'],
  [['--users', '0'], '--users'],
  [['--only', 'meteor'], 'meteor'],
  [['--runs', '0'], '--runs'],
  [['--kill', '--storm'], '--kill'],
  [['--failover', 'pray'], '--failover'],
])('%j is refused by name', (args, named) => {
  expect(() => readOptions(args, seed)).toThrow(named);
});
