import { expect, test } from 'vitest';
import { parseKeysCommand } from './keys-command.ts';

test.each([
  [['list'], { name: 'list' }],
  [['rotate'], { name: 'rotate', options: { hashes: false, data: false } }],
  [['rotate', '--data', '--hashes'], { name: 'rotate', options: { hashes: true, data: true } }],
  [['retire', 'k1'], { name: 'retire', id: 'k1' }],
])('%j', (args, command) => {
  expect(parseKeysCommand(args)).toEqual(command);
});

test.each([[[]], [['rotate', '--all']], [['retire']], [['retire', 'a', 'b']], [['list', 'x']], [['help']]])(
  'anything else gets the help: %j',
  (args) => {
    expect(() => parseKeysCommand(args)).toThrow(/npm run keys/);
  },
);
