/** What operators do with purchases: look them up, give money back, check them. Each call is entered in the operators' journal. */
import type { PurchaseRow, PurchaseStatus } from '../../../db/billing/purchases/purchases.ts';
import { isUuidInAnyCase } from '../../../protocol/uuid.ts';
import { type AdminCall, adminReply } from '../../admin-call.ts';
import { AppError } from '../../errors.ts';
import type { Tickets } from '../tickets/tickets.ts';
import * as shapes from './admin-shapes.ts';
import type { PurchaseService } from './service.ts';
import { shownPurchase } from './shown.ts';

const statuses: readonly PurchaseStatus[] = ['paid', 'partially_refunded', 'refunded', 'disputed', 'charged_back'];
const MAX_LIMIT = 200;

export function purchaseAdminCalls(purchases: PurchaseService, tickets: Tickets): AdminCall[] {
  return [
    {
      method: 'GET',
      path: '/admin/purchases',
      action: 'purchases.search',
      says: 'Purchases, newest first; `userId`, `paymentId`, `status`, `before` and `limit` choose.',
      reply: shapes.PurchasePage,
      query: ['userId', 'paymentId', 'status', 'before', 'limit'],
      errors: ['protocol.invalid_body'],
      async run({ query }, _, admin) {
        const { rows, nextBefore } = await purchases.search(admin.userId, {
          userId: uuidIn(query, 'userId'),
          paymentId: paymentIdIn(query),
          status: statusIn(query),
          before: uuidIn(query, 'before'),
          limit: limitIn(query),
        });
        return adminReply({ purchases: rows.map(toRecord), nextBefore } satisfies shapes.PurchasePage);
      },
    },
    {
      method: 'POST',
      path: '/admin/purchases/:id/refund',
      action: 'purchases.refund',
      says: 'Gives money back, all of it or a part; what the purchase granted goes back with it.',
      target: 'purchase',
      body: shapes.RefundBody,
      reply: shapes.RefundRecord,
      statuses: [200, 202],
      errors: [
        'protocol.invalid_body',
        'billing.purchase_not_found',
        'billing.refund_too_large',
        'billing.other_provider',
        'billing.idempotency_conflict',
        'billing.purchases_off',
      ],
      note: ({ body }) => ({ amountMinor: (body as shapes.RefundBody).amountMinor ?? null }),
      async run({ body }, id, admin) {
        const { amountMinor, reason, requestKey } = body as shapes.RefundBody;
        if (!isUuidInAnyCase(id)) throw new AppError('billing.purchase_not_found');
        const { refunds } = purchases.buying;
        const request = { purchaseId: id.toLowerCase(), amountMinor, reason, requestKey, requestedBy: admin.userId };
        const { id: refundId, ...refund } = await refunds.request(request);
        const { purchaseId, currency, status, errorCode } = refund;
        const amount = refund.amountMinor;
        const record = { refundId, purchaseId, amountMinor: amount, currency, status, errorCode };
        return adminReply(record satisfies shapes.RefundRecord, status === 'requested' ? 202 : 200);
      },
    },
    {
      method: 'GET',
      path: '/admin/purchases/check',
      action: 'purchases.check',
      says: 'Compares purchases with payments and ticket balances with their transactions, and says what waits for too long; empty lists and zeros when all is well.',
      reply: shapes.PurchaseCheck,
      async run() {
        const [faults, mismatches, late] = await Promise.all([
          purchases.verify(),
          tickets.verify(),
          purchases.overdue(),
        ]);
        const overdue = { ...late, oldestEventAt: late.oldestEventAt?.toISOString() ?? null };
        return adminReply({ purchases: faults, tickets: mismatches, overdue } satisfies shapes.PurchaseCheck);
      },
    },
  ];
}

function toRecord(row: PurchaseRow): shapes.PurchaseRecord {
  const { userId, provider, paymentId, dispute, refundedAt } = row;
  return { ...shownPurchase(row), userId, provider, paymentId, dispute, refundedAt: refundedAt?.toISOString() ?? null };
}

function uuidIn(query: URLSearchParams, name: string): string | undefined {
  const given = query.get(name);
  if (given === null || given === '') return undefined;
  if (!isUuidInAnyCase(given)) throw AppError.invalid(name, 'a UUID');
  return given.toLowerCase();
}

function paymentIdIn(query: URLSearchParams): string | undefined {
  const given = query.get('paymentId');
  if (given === null || given === '') return undefined;
  if (!/^\w{1,255}$/.test(given)) throw AppError.invalid('paymentId', 'an id of the provider');
  return given;
}

function statusIn(query: URLSearchParams): PurchaseStatus | undefined {
  const given = query.get('status');
  if (given === null || given === '') return undefined;
  const status = statuses.find((one) => one === given);
  if (status === undefined) throw AppError.invalid('status', `one of ${statuses.join(', ')}`);
  return status;
}

function limitIn(query: URLSearchParams): number {
  const given = query.get('limit') ?? '50';
  const limit = /^\d{1,4}$/.test(given) ? Number(given) : Number.NaN;
  if (!(limit >= 1 && limit <= MAX_LIMIT)) throw AppError.invalid('limit', `a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}
