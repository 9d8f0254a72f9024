/** A knot drawn as a cord of two strands that passes over and under itself. */
import { useMemo } from 'preact/hooks';
import { type KnotShape, knotPaths, knotShape } from './knot-geometry.ts';

type KnotProps = {
  seed: string;
  size: number;
  /** Colour of the cord; the theme's thread unless given. */
  color?: string;
  /** What lies under the cord and parts its strands. */
  ground?: string;
  shape?: KnotShape;
};

export function KnotCord({ seed, color = 'var(--thread)', ground = 'var(--silk)', shape }: Omit<KnotProps, 'size'>) {
  const paths = useMemo(() => knotPaths(shape ?? knotShape(seed)), [seed, shape]);
  const layer = (pieces: readonly string[]) =>
    pieces.map((d) => (
      <g key={d} fill="none" stroke-linecap="butt">
        <path d={d} stroke={ground} stroke-width="0.15" />
        <path d={d} stroke={color} stroke-width="0.1" />
        <path d={d} stroke={ground} stroke-width="0.034" />
      </g>
    ));
  return (
    <>
      {layer(paths.under)}
      {layer(paths.over)}
    </>
  );
}

export function Knot({ size, ...cord }: KnotProps) {
  return (
    <svg class="knot" width={size} height={size} viewBox="-1 -1 2 2" aria-hidden="true">
      <KnotCord {...cord} />
    </svg>
  );
}
