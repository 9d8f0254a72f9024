/** The few numbers a benchmark needs from its samples. */

/** The value below which the share `p` (0 to 1) of the samples lies, interpolated. NaN for no samples. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const place = p * (sorted.length - 1);
  const low = sorted[Math.floor(place)];
  const high = sorted[Math.ceil(place)];
  if (low === undefined || high === undefined) return Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** The middle one: what rounds on a shared machine are summed up with, since a mean follows the worst round. */
export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}
