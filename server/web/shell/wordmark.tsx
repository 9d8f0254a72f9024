/** The name of the product with its knot. */
import { Knot } from '../avatars/knot.tsx';

const tied = { around: 2, through: 3, ring: 0.58, tube: 0.3, turn: -0.5 } as const;

export function Wordmark({ size = 30 }: { size?: number }) {
  return (
    <span class="wordmark">
      <Knot seed="tsumugi" shape={tied} size={size} ground="var(--knot-ground, var(--silk))" />
      <span>Tsumugi</span>
      <span class="wordmark-ja" lang="ja">
        紡ぎ
      </span>
    </span>
  );
}
