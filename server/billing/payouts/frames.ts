/** The commands of creators: parsed body in, service, reply out. */
import type { Handlers } from '../../handlers.ts';
import type { PayoutService } from './service.ts';

const PAYOUTS_PAGE = 24;
const LINES_PAGE = 100;

type Commands =
  | 'billing.creator'
  | 'billing.become_creator'
  | 'billing.payout_accounts'
  | 'billing.add_payout_account'
  | 'billing.payout_account_link'
  | 'billing.set_default_payout_account'
  | 'billing.remove_payout_account'
  | 'billing.payouts'
  | 'billing.payout_lines'
  | 'billing.payout_statement';

export function payoutFrames(payouts: PayoutService): Handlers<Commands> {
  return {
    'billing.creator': async (caller) => ({ creator: await payouts.findCreator(caller.userId) }),
    'billing.become_creator': async (caller) => ({ creator: await payouts.becomeCreator(caller.userId) }),
    'billing.payout_accounts': async ({ userId }, { refresh = false }) => ({
      accounts: refresh ? await payouts.accounts.refresh(userId) : await payouts.accounts.list(userId),
    }),
    'billing.add_payout_account': (caller, body) => payouts.accounts.add(caller.userId, body.country),
    'billing.payout_account_link': (caller, body) => payouts.accounts.link(caller.userId, body.accountId),
    'billing.set_default_payout_account': async (caller, body) => {
      await payouts.accounts.setDefault(caller.userId, body.accountId);
      return {};
    },
    'billing.remove_payout_account': async (caller, body) => {
      await payouts.accounts.remove(caller.userId, body.accountId);
      return {};
    },
    'billing.payouts': ({ userId }, { before, limit = PAYOUTS_PAGE }) => payouts.listOwn(userId, before, limit),
    'billing.payout_lines': ({ userId }, { payoutId, after, limit = LINES_PAGE }) =>
      payouts.listLines(userId, payoutId, after, limit),
    'billing.payout_statement': ({ userId }, { payoutId, format, lang }) =>
      payouts.statements.ticket(userId, payoutId, format, lang),
  };
}
