import { describe, expect, it } from 'vitest';
import { table, verdict } from './report.ts';

describe('the report', () => {
  const ratio = { measure: 'CPU per token', value: 0.8, unit: '×', against: 'socket.io', target: 1 };

  it('judges only what has a target, in the direction of the target', () => {
    expect(verdict(ratio)).toBe('pass');
    expect(verdict({ ...ratio, value: 1.01 })).toBe('FAIL');
    expect(verdict({ ...ratio, atLeast: true })).toBe('FAIL');
    expect(verdict({ measure: 'tokens', value: 1, unit: '/s' })).toBe('');
  });
  it('never passes a number it does not have', () => {
    expect(verdict({ ...ratio, value: Number.NaN })).toBe('FAIL');
  });
  it('lines its columns up', () => {
    const [head, line] = table([ratio]).split('\n');
    expect(head?.indexOf('value')).toBe(line?.indexOf('0.80 ×'));
    expect(head?.indexOf('target')).toBe(line?.indexOf('≤ 1.00'));
  });
});
