/** What a payout comes to: pure arithmetic over the lines of one creator, currency and month. */
import type { EarningSums } from '../../../db/billing/payouts/earnings.ts';
import type { PayoutSums } from '../../../db/billing/payouts/payouts.ts';

/**
 * @param openingMinor carried in from the month before; below zero it is a debt.
 * @param rules.minimumMinor what must be left after the fee for a transfer to be made.
 */
export function sumUp(
  openingMinor: number,
  lines: readonly EarningSums[],
  rules: { minimumMinor: number; feeMinor: number },
): PayoutSums {
  const of = (kinds: readonly EarningSums['kind'][], part: 'grossMinor' | 'creatorMinor' | 'platformMinor') =>
    lines.filter(({ kind }) => kinds.includes(kind)).reduce((sum, line) => sum + line[part], 0);
  const gains = ['sale', 'refund_undone', 'tokens'] as const;
  const shareMinor = of(gains, 'creatorMinor');
  const clawbackMinor = of(['refund'], 'creatorMinor');
  const returnedMinor = of(['payout_returned'], 'creatorMinor');
  const owedMinor = openingMinor + shareMinor + clawbackMinor + returnedMinor;
  const isPaid = owedMinor - rules.feeMinor >= Math.max(1, rules.minimumMinor);
  return {
    openingMinor,
    grossMinor: of(gains, 'grossMinor'),
    refundsMinor: of(['refund'], 'grossMinor'),
    platformMinor: of([...gains, 'refund'], 'platformMinor'),
    shareMinor,
    clawbackMinor,
    returnedMinor,
    feeMinor: isPaid ? rules.feeMinor : 0,
    amountMinor: isPaid ? owedMinor - rules.feeMinor : 0,
    closingMinor: isPaid ? 0 : owedMinor,
  };
}
