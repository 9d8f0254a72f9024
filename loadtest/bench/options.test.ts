import { describe, expect, it } from 'vitest';
import { measureNames, readOptions } from './options.ts';

describe('options of the benchmark', () => {
  it('measures everything unless told otherwise', () => {
    expect(readOptions([])).toMatchObject({ only: measureNames, quick: false, rounds: 4, windowS: 5, codec: 'json' });
  });
  it('is short when asked to be quick, and explicit numbers win', () => {
    expect(readOptions(['--quick', '--seconds', '2'])).toMatchObject({ rounds: 1, windowS: 2 });
  });
  it('names the option that is wrong', () => {
    expect(() => readOptions(['--only', 'cpu,speed'])).toThrow(/--only: speed/);
    expect(() => readOptions(['--seconds', 'many'])).toThrow(/--seconds/);
    expect(() => readOptions(['--codec', 'xml'])).toThrow(/--codec/);
  });
});
