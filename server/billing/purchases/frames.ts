/** The commands of buying: parsed body in, service, reply out. */
import type { EntitlementRow } from '../../../db/billing/tickets/entitlements.ts';
import type { TicketRow } from '../../../db/billing/tickets/tickets.ts';
import type { Entitlement, TicketTransaction } from '../../../protocol/billing-purchases.ts';
import type { Handlers } from '../../handlers.ts';
import type { Entitlements } from '../tickets/entitlements.ts';
import type { Tickets } from '../tickets/tickets.ts';
import type { PurchaseService } from './service.ts';
import { shownPurchase } from './shown.ts';

const PAGE = 50;

type Types =
  | 'billing.products'
  | 'billing.checkout'
  | 'billing.portal'
  | 'billing.purchases'
  | 'billing.tickets'
  | 'billing.entitlements'
  | 'billing.payment_methods'
  | 'billing.price_tiers';

export function purchaseFrames(parts: {
  purchases: PurchaseService;
  tickets: Tickets;
  entitlements: Entitlements;
}): Handlers<Types> {
  const { purchases, tickets, entitlements } = parts;
  return {
    'billing.products': async ({ userId }) => ({ offers: await purchases.offers(userId), buying: purchases.kind }),
    'billing.checkout': async ({ userId }, { quantity = 1, locale = 'en', ...body }) => {
      const { expiresAt, ...checkout } = await purchases.checkout(userId, { ...body, quantity, locale });
      return { ...checkout, expiresAt: expiresAt?.toISOString() ?? null };
    },
    'billing.portal': async ({ userId }, { locale = 'en' }) => ({ url: await purchases.portal(userId, locale) }),
    'billing.purchases': async ({ userId }, { before, limit = PAGE }) => {
      const { rows, nextBefore } = await purchases.page(userId, before, limit);
      return { purchases: rows.map(shownPurchase), nextBefore };
    },
    'billing.tickets': async ({ userId }, { before, limit = PAGE }) => {
      const { balance, rows, nextBefore } = await tickets.page(userId, before, limit);
      return { balance, transactions: rows.map(shownTransaction), nextBefore };
    },
    'billing.entitlements': async ({ userId }, { validOnly = false, before, limit = PAGE }) => {
      const { rows, nextBefore } = await entitlements.page(userId, { validOnly, before, limit });
      return { entitlements: rows.map(shownEntitlement), nextBefore };
    },
    'billing.price_tiers': async ({ userId }) => {
      const rows = await purchases.priceTiers(userId);
      return { tiers: rows.map(({ priceMinor, ...tier }) => ({ ...tier, amountMinor: priceMinor })) };
    },
    'billing.payment_methods': async ({ userId }) => {
      const methods = await purchases.methods(userId);
      return {
        methods: methods.map(({ id, providerMethodId: _, ...method }) => ({ paymentMethodId: id, ...method })),
      };
    },
  };
}

function shownTransaction({ id, type, amount, purchaseId, target, createdAt }: TicketRow): TicketTransaction {
  return { transactionId: id, type, amount, purchaseId, target, createdAt: createdAt.toISOString() };
}

function shownEntitlement(row: EntitlementRow): Entitlement {
  const { id: entitlementId, type, itemId, source, sourcePurchaseId: purchaseId, grantedAt, revokedAt } = row;
  const at = { grantedAt: grantedAt.toISOString(), revokedAt: revokedAt?.toISOString() ?? null };
  return { entitlementId, type, itemId, source, purchaseId, ...at };
}
