/** The commands of billing: parsed body in, service, reply out. */
import type { Handlers } from '../handlers.ts';
import type { BillingService } from './service.ts';

const USAGE_DAYS = 30;
const LEDGER_PAGE = 50;

export function billingFrames(
  billing: BillingService,
): Handlers<'billing.balance' | 'billing.spending' | 'billing.usage' | 'billing.ledger'> {
  return {
    'billing.balance': async (caller) => ({ balance: await billing.balance(caller.userId) }),
    'billing.spending': (caller) => billing.spending(caller.userId),
    'billing.usage': (caller, body) => billing.usage(caller.userId, body.days ?? USAGE_DAYS),
    'billing.ledger': (caller, body) => billing.listLedger(caller.userId, body.before, body.limit ?? LEDGER_PAGE),
  };
}
