/**
 * The knot on the sign-in screen: an open trefoil (the polynomial knot t³−3t, t⁴−4t²), whose two ends run off the picture.
 * Pure geometry; pieces alternate between under and over, as they do in a tied cord.
 */
export type CordPiece = Readonly<{
  order: number;
  /** The middle of the piece, for the gap that it leaves in what it passes over; undefined for a piece below. */
  halo: string | undefined;
  /** Parallel strands, from one edge of the cord to the other. */
  strands: readonly string[];
}>;

/** Where the curve meets itself: -1.936 with 0.517, -1.733 with 1.733, -0.517 with 1.936. Every second one passes over. */
const passings = [-1.936, -1.733, -0.517, 0.517, 1.733, 1.936] as const;
/** Between the passings, and the two ends. */
const cuts = [-2.75, -1.83, -1.1, 0, 1.1, 1.83, 2.75] as const;
/** Half the length of the gap that a piece leaves in what it passes over. */
const haloReach = 34;
const samples = 40;
const overlap = 0.012;

type Place = Readonly<{ scale: number; x: number; y: number; turn: number }>;

/** @returns the pieces in the order in which they are drawn: what lies below first */
export function longKnot(place: Place, strandOffsets: readonly number[]): CordPiece[] {
  const pieces = cuts.slice(0, -1).map((from, order) => {
    const to = cuts[order + 1] ?? from;
    return {
      order,
      halo: order % 2 === 1 ? haloAt(place, passings[order] ?? from) : undefined,
      strands: strandOffsets.map((offset) => curve(place, from - overlap, to + overlap, offset)),
    };
  });
  return [...pieces.filter((piece) => piece.halo === undefined), ...pieces.filter((piece) => piece.halo !== undefined)];
}

function haloAt(place: Place, t: number): string {
  const reach = haloReach / (place.scale * Math.hypot(...slope(t)));
  return curve(place, t - reach, t + reach, 0);
}

const slope = (t: number): [dx: number, dy: number] => [3 * t ** 2 - 3, -(4 * t ** 3 - 8 * t)];

/** A parallel of the knot's curve between two parameters, `offset` units beside it. */
function curve(place: Place, from: number, to: number, offset: number): string {
  const points = Array.from({ length: samples + 1 }, (_, i) => {
    const t = from + ((to - from) * i) / samples;
    const [x, y] = [t ** 3 - 3 * t, -(t ** 4 - 4 * t ** 2 + 2)];
    const [dx, dy] = slope(t);
    const length = Math.hypot(dx, dy);
    return toPlace(place, place.scale * x - (dy / length) * offset, place.scale * y + (dx / length) * offset);
  });
  return `M${points.join('L')}`;
}

function toPlace({ x, y, turn }: Place, dx: number, dy: number): string {
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  return `${(x + dx * cos - dy * sin).toFixed(1)} ${(y + dx * sin + dy * cos).toFixed(1)}`;
}
