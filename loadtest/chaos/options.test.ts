import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

const seed = () => 42;

test('without options it is two minutes of everything, and the seed decides about failover', () => {
  const options = readOptions([], seed);
  expect(options).toMatchObject({ mode: 'chaos', seed: 42, seconds: 120, gateways: 2, failover: 'interrupt' });
  expect(readOptions(['--seed', '43'], seed)).toMatchObject({ seed: 43, failover: 'continue' });
  expect(readOptions(['--storm', '--clients', '10'], seed)).toMatchObject({ mode: 'storm', clients: 10 });
});

test.each([
  [['--seconds', 'long'], '--seconds'],
  [['--users', '0'], '--users'],
  [['--only', 'meteor'], 'meteor'],
  [['--failover', 'pray'], '--failover'],
])('%j is refused by name', (args, named) => {
  expect(() => readOptions(args, seed)).toThrow(named);
});
