/** The picture beside the sign-in form: a cord of five strands, tied once and running on. Decoration only. */
import { t } from '../i18n/translate.ts';
import { Wordmark } from '../shell/wordmark.tsx';
import { longKnot } from './long-knot.ts';

const pieces = longKnot({ scale: 70, x: 325, y: 400, turn: -0.42 }, [-11, -5.5, 0, 5.5, 11]);

export function Loom() {
  return (
    <div class="loom">
      <svg class="loom-threads" viewBox="0 0 600 900" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
        {warp.map((d) => (
          <path key={d} class="loom-warp" d={d} />
        ))}
        {pieces.map((piece) => (
          <g key={piece.order} class={`cord cord-${piece.order}`}>
            {piece.halo !== undefined && <path class="strand-halo" d={piece.halo} pathLength={1} />}
            {piece.strands.map((d, i) => (
              <path key={d} class={i % 2 === 0 ? 'strand-red' : 'strand-white'} d={d} pathLength={1} />
            ))}
          </g>
        ))}
      </svg>
      <div class="loom-words">
        <Wordmark size={46} />
        <p class="loom-line">{t('loom.line')}</p>
        <p class="loom-small">{t('loom.small')}</p>
      </div>
    </div>
  );
}

/** Fine parallel threads, as on a loom, each a little different. */
const warp = Array.from({ length: 26 }, (_, i) => {
  const x = 12 + i * 24;
  const sway = 26 * Math.sin(i * 0.9);
  return `M${x} -10C${(x + sway).toFixed(1)} 250 ${(x - sway).toFixed(1)} 620 ${x + 10} 910`;
});
