/** The picture beside the sign-in form: one red thread that is spun, tied and runs on. Decoration only. */

import { Knot } from '../avatars/knot.tsx';
import { t } from '../i18n/translate.ts';

const tied = { around: 2, through: 3, ring: 0.58, tube: 0.3, turn: -0.5 } as const;

export function Loom() {
  return (
    <div class="loom">
      <svg class="loom-threads" viewBox="0 0 600 900" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
        {warp.map((d) => (
          <path key={d} class="loom-warp" d={d} />
        ))}
        <path
          class="loom-thread"
          d="M-20 640C90 560 150 500 190 440S250 300 330 300s120 90 70 150-170 40-190-40 60-190 170-210 200-80 260-150"
        />
      </svg>
      <div class="loom-words">
        <p class="wordmark">
          <Knot seed="tsumugi" shape={tied} size={46} color="var(--loom-thread)" ground="var(--loom)" />
          <span>Tsumugi</span>
          <span class="wordmark-ja" lang="ja">
            紡ぎ
          </span>
        </p>
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
