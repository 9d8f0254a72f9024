/**
 * The knot that stands for a name: a mizuhiki cord tied as a torus knot, seen from above. The same name always gives
 * the same knot. Pure geometry, no drawing.
 */

/** Windings around the ring and through it; coprime, so that it is one cord. */
const windings: readonly (readonly [around: number, through: number])[] = [
  [2, 3],
  [2, 5],
  [3, 4],
  [2, 7],
  [3, 5],
  [3, 7],
  [4, 5],
  [3, 8],
];

export type KnotShape = Readonly<{ around: number; through: number; ring: number; tube: number; turn: number }>;
/** Pieces of the cord as SVG path data in a box of -1…1; `under` is drawn first. */
export type KnotPaths = Readonly<{ under: readonly string[]; over: readonly string[] }>;

/** FNV-1a: small, spread well enough for shapes, never for secrets. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function knotShape(seed: string): KnotShape {
  const hash = hashText(seed);
  const [around, through] = windings[hash % windings.length] ?? [2, 3];
  return {
    around,
    through,
    ring: 0.62,
    tube: 0.2 + ((hash >>> 8) % 5) * 0.025,
    turn: (((hash >>> 12) % 360) * Math.PI) / 180,
  };
}

/** The cord is cut where it passes the plane of the ring: between two cuts it lies wholly above or below it. */
export function knotPaths(shape: KnotShape, samplesPerPiece = 22): KnotPaths {
  const under: string[] = [];
  const over: string[] = [];
  const pieces = shape.through * 2;
  const step = (Math.PI * 2) / pieces;
  for (let piece = 0; piece < pieces; piece++) {
    // A little longer than the piece, so that no seam shows.
    const from = piece * step - 0.01;
    const to = (piece + 1) * step + 0.01;
    const points: string[] = [];
    for (let i = 0; i <= samplesPerPiece; i++) points.push(pointAt(shape, from + ((to - from) * i) / samplesPerPiece));
    (piece % 2 === 0 ? over : under).push(`M${points.join('L')}`);
  }
  return { under, over };
}

function pointAt({ around, through, ring, tube, turn }: KnotShape, angle: number): string {
  const radius = ring + tube * Math.cos(through * angle);
  const at = around * angle + turn;
  return `${(radius * Math.cos(at)).toFixed(3)} ${(radius * Math.sin(at)).toFixed(3)}`;
}
