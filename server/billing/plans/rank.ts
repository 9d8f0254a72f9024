/** Which of two plans is the greater one. Pure. */
import type { PlanRow } from '../../../db/billing/plans/plans.ts';

export const FREE = 'free';

type Ranked = Pick<PlanRow, 'priceMinor' | 'interval' | 'sort' | 'code'>;

/** Below 0: `a` is the smaller one. By what a month costs, then by their places in the list. */
export function comparePlans(a: Ranked, b: Ranked): number {
  return monthly(a) - monthly(b) || a.sort - b.sort || (a.code < b.code ? -1 : Number(a.code > b.code));
}

const monthly = ({ priceMinor, interval }: Ranked): number => (interval === 'year' ? priceMinor / 12 : priceMinor);
