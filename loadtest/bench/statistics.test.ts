import { describe, expect, it } from 'vitest';
import { median, percentile } from './statistics.ts';

describe('percentile', () => {
  it('interpolates between the neighbours and does not mind the order', () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(percentile([10, 20], 0.99)).toBeCloseTo(19.9);
    expect(percentile([7], 0.99)).toBe(7);
    expect(median([9, 1, 5])).toBe(5);
  });
  it('says that it knows nothing of no samples', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
  it('leaves its input as it was', () => {
    const samples = [3, 1, 2];
    percentile(samples, 0.5);
    expect(samples).toEqual([3, 1, 2]);
  });
});
