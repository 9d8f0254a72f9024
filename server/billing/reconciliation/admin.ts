/** The reconciliation report in the operators' interface. */
import { type AdminCall, adminReply as ok } from '../../admin-call.ts';
import { ReconciliationReport } from './admin-shapes.ts';

export function reconciliationCalls(reconcile: () => Promise<ReconciliationReport>): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/reconciliation',
      action: 'billing.reconcile',
      says: 'Compares balances with entries, holds with what is held, tickets, purchases, payments and payouts. Reads a lot: for operators, not for monitors.',
      reply: ReconciliationReport,
      run: async () => ok(await reconcile()),
    },
  ];
}
