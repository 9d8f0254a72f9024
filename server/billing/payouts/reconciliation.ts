/** The proof that creators' money adds up: every sale once, every line once, and sums that come to zero. Reads everything. */

import * as checks from '../../../db/billing/payouts/checks.ts';
import type { Database } from '../../../db/client.ts';

const SHOWN = 50;

export type PayoutReport = { ok: boolean; faults: checks.Fault[]; totals: checks.CurrencyTotals[] };

export async function reconcilePayouts(db: Database): Promise<PayoutReport> {
  return db.asService(async (tx) => {
    const found = await Promise.all([
      checks.findLineFaults(tx, SHOWN),
      checks.findCarryFaults(tx, SHOWN),
      checks.findPurchaseFaults(tx, SHOWN),
      checks.findForgottenEarnings(tx, SHOWN),
      checks.findReturnFaults(tx, SHOWN),
    ]);
    const totals = await checks.sumTotals(tx);
    const faults = [...found.flat(), ...totals.flatMap(findImbalance)];
    return { ok: faults.length === 0, faults, totals };
  });
}

function findImbalance(total: checks.CurrencyTotals): checks.Fault[] {
  const {
    currency: id,
    grossMinor,
    platformMinor,
    creatorMinor,
    openMinor,
    carriedMinor,
    payoutMinor,
    feeMinor,
  } = total;
  const divided = platformMinor + creatorMinor;
  const owed = creatorMinor + total.returnedMinor;
  const placed = openMinor + carriedMinor + payoutMinor + feeMinor;
  return [
    ...(grossMinor === divided ? [] : [{ what: 'gross', id, expected: String(grossMinor), found: String(divided) }]),
    ...(owed === placed ? [] : [{ what: 'creators', id, expected: String(owed), found: String(placed) }]),
  ];
}
