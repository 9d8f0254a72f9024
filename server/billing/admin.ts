/** What billing brings to the operators' interface. Wiring only. */
import type { Database } from '../../db/client.ts';
import type { AdminCall } from '../admin-call.ts';
import type { Clock } from '../clock.ts';
import { inspectionCalls } from './inspection/admin.ts';
import type { Ledger } from './ledger/ledger.ts';
import { reconciliationCalls } from './reconciliation/admin.ts';
import { type ReconciliationCheck, reconcile } from './reconciliation/report.ts';
import { Once } from './requests/once.ts';
import { reversalCalls } from './reversals/admin.ts';
import { Reversals } from './reversals/reversals.ts';

type Parts = Readonly<{
  db: Database;
  clock: Clock;
  ledger: Pick<Ledger, 'enqueue' | 'settled' | 'accountOf'>;
  /** What one operator may take back alone within a day. */
  reversalLimitTokens: number;
  /** Of other parts of billing, for the report. */
  checks?: readonly ReconciliationCheck[];
}>;

export function billingAdminCalls({ db, clock, ledger, reversalLimitTokens, checks }: Parts): AdminCall[] {
  return [
    ...inspectionCalls(db),
    ...reversalCalls(
      new Reversals({ db, clock, ledger, once: new Once(db, ledger), limitTokens: reversalLimitTokens }),
    ),
    ...reconciliationCalls(() => reconcile(db, clock, checks)),
  ];
}
