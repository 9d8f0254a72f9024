/**
 * The report that tells an operator whether everything that is stored twice still says the same: balances and entries, holds and what
 * is noted as held, tickets, purchases and payments, payouts. Each part of billing brings its checks; this runs them and changes
 * nothing. The chains' hashes are checked by `npm run ledger`, which reads every row.
 */
import { findBalanceMismatches } from '../../../db/billing/accounts.ts';
import {
  type Difference,
  findForgottenHolds,
  findHeldDifferences,
  findReversalDifferences,
  findStuckEntries,
  findUnbalancedAssets,
  findUsedDifferences,
} from '../../../db/billing/reconciliation.ts';
import type { Database } from '../../../db/client.ts';
import type { Clock } from '../../clock.ts';
import { reconcilePayouts } from '../payouts/reconciliation.ts';
import type { CheckResult, ReconciliationReport } from './admin-shapes.ts';

export type ReconciliationCheck = {
  name: CheckResult['name'];
  find(db: Database, limit: number): Promise<Difference[]>;
};

const SHOWN = 20;
/** The chore that releases holds comes around several times within it. */
const HOLD_GRACE_MS = 10 * 60_000;
/** Entries are booked within a second; a gateway that dies leaves them to others within some. */
const PENDING_GRACE_MS = 60_000;

const ledgerChecks: readonly ReconciliationCheck[] = [
  { name: 'zero_sums', find: (db, limit) => db.asService((tx) => findUnbalancedAssets(tx, limit)) },
  { name: 'balances', find: findBalances },
  { name: 'held', find: (db, limit) => db.asService((tx) => findHeldDifferences(tx, limit)) },
  { name: 'used', find: (db, limit) => db.asService((tx) => findUsedDifferences(tx, limit)) },
  { name: 'holds', find: (db, limit) => db.asService((tx) => findForgottenHolds(tx, HOLD_GRACE_MS, limit)) },
  { name: 'pending', find: (db, limit) => db.asService((tx) => findStuckEntries(tx, PENDING_GRACE_MS, limit)) },
  { name: 'reversals', find: (db, limit) => db.asService((tx) => findReversalDifferences(tx, limit)) },
  { name: 'payouts', find: findPayoutFaults },
];

async function findBalances(db: Database, limit: number): Promise<Difference[]> {
  const wrong = await db.asService((tx) => findBalanceMismatches(tx, limit));
  return wrong.map(({ accountId, asset, entries, stored }) => ({
    subject: `${accountId} ${asset}`,
    expected: entries ?? '0',
    found: stored ?? '0',
  }));
}

async function findPayoutFaults(db: Database): Promise<Difference[]> {
  const { faults } = await reconcilePayouts(db);
  return faults.map(({ what, id, expected, found }) => ({ subject: `${what} ${id}`, expected, found }));
}

/** @param more checks of other parts of billing. */
export async function reconcile(
  db: Database,
  clock: Clock,
  more: readonly ReconciliationCheck[] = [],
): Promise<ReconciliationReport> {
  const checks: CheckResult[] = [];
  // One after the other: an operator's question must not take every connection.
  for (const check of [...ledgerChecks, ...more]) {
    // One more than is shown, to know whether there are more.
    const found = await check.find(db, SHOWN + 1);
    checks.push({ name: check.name, differences: found.slice(0, SHOWN), more: found.length > SHOWN });
  }
  return {
    at: new Date(clock.now()).toISOString(),
    ok: checks.every(({ differences }) => differences.length === 0),
    checks,
  };
}
