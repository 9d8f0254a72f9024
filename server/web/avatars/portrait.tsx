/** The picture of an avatar: its knot on a ground dyed in its colour, with the first letter of its name in the middle. */
import { useId, useMemo } from 'preact/hooks';
import { portraitColors } from './color.ts';
import { KnotCord } from './knot.tsx';

export function Portrait({ name, accent, size }: { name: string; accent: string; size: number }) {
  const colors = useMemo(() => portraitColors(accent), [accent]);
  const ground = useId();
  const glyph = firstGlyph(name);
  return (
    <svg class="portrait" width={size} height={size} viewBox="-1.12 -1.12 2.24 2.24" aria-hidden="true">
      <defs>
        <radialGradient id={ground} cx="0.35" cy="0.25" r="0.9">
          <stop offset="0" stop-color={colors.deep} />
          <stop offset="1" stop-color={colors.deeper} />
        </radialGradient>
      </defs>
      <circle r="1.12" fill={`url(#${ground})`} />
      <g class="portrait-cord">
        <KnotCord seed={name} color={colors.cord} ground={colors.deep} />
      </g>
      <text
        class="portrait-glyph"
        y="0.02"
        font-size="0.56"
        fill={colors.glyph}
        text-anchor="middle"
        dominant-baseline="central"
      >
        {glyph}
      </text>
    </svg>
  );
}

/** The first letter as people see it, not as UTF-16 cuts it. */
export function firstGlyph(name: string): string {
  const [first] = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(name.trim());
  return (first?.segment ?? '').toUpperCase();
}
