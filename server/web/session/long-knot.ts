/**
 * The knot on the sign-in screen: an open trefoil (the polynomial knot t³−3t, t⁴−4t²), whose two ends run off the picture.
 * Pure geometry; `under` and `over` alternate, as they do in a tied cord.
 */
export type CordPiece = Readonly<{ d: string; over: boolean; order: number }>;

/** Halfway between neighbouring crossings, which lie at ±0.52, ±1.73 and ±1.93. */
const cuts = [-2.75, -1.83, -1.1, 0, 1.1, 1.83, 2.75] as const;
const samples = 36;
const overlap = 0.012;

/** @returns the pieces in the order in which they are drawn: what lies below first */
export function longKnot(scale: number, centerX: number, centerY: number): CordPiece[] {
  const pieces = cuts.slice(0, -1).map((from, order) => {
    const to = cuts[order + 1] ?? from;
    const points = Array.from({ length: samples + 1 }, (_, i) => {
      const t = from - overlap + ((to - from + 2 * overlap) * i) / samples;
      const x = centerX + scale * (t ** 3 - 3 * t);
      const y = centerY - scale * (t ** 4 - 4 * t ** 2 + 2);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    return { d: `M${points.join('L')}`, over: order % 2 === 1, order };
  });
  return [...pieces.filter((piece) => !piece.over), ...pieces.filter((piece) => piece.over)];
}
