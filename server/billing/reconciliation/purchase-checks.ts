/** Purchases against payments, and ticket balances against their transactions, as checks of the report. */
import type { PurchaseService } from '../purchases/service.ts';
import type { Tickets } from '../tickets/tickets.ts';
import type { ReconciliationCheck } from './report.ts';

export function purchaseChecks(
  purchases: Pick<PurchaseService, 'verify'>,
  tickets: Pick<Tickets, 'verify'>,
): ReconciliationCheck[] {
  return [
    {
      name: 'purchases',
      find: async () =>
        (await purchases.verify()).map(({ purchaseId, problem }) => ({
          subject: purchaseId,
          expected: 'agreement with its payment',
          found: problem,
        })),
    },
    {
      name: 'tickets',
      find: async () =>
        (await tickets.verify()).map(({ userId, stored, transactions }) => ({
          subject: userId,
          expected: String(transactions ?? 0),
          found: String(stored ?? 0),
        })),
    },
  ];
}
