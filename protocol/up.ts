/** Every command there is: a new one gets one line here. */
import type { Static } from 'typebox';
import * as billing from './billing.ts';
import * as billingPayouts from './billing-payouts.ts';
import * as plans from './billing-plans.ts';
import * as billingProofs from './billing-proofs.ts';
import * as buying from './billing-purchases.ts';
import * as chat from './chat.ts';
import * as companion from './companion.ts';
import * as gateway from './gateway.ts';
import * as identity from './identity.ts';

export const upFrames = [
  gateway.ping,
  identity.me,
  identity.updateProfile,
  identity.changePassword,
  identity.listSessions,
  identity.endSession,
  identity.presence,
  billing.balance,
  billing.spending,
  billing.usage,
  billing.ledger,
  billingProofs.proof,
  plans.plans,
  plans.subscription,
  plans.setAtCap,
  plans.changePlan,
  plans.cancelPlan,
  plans.resumePlan,
  buying.products,
  buying.checkout,
  buying.portal,
  buying.purchases,
  buying.tickets,
  buying.entitlements,
  buying.paymentMethods,
  buying.priceTiers,
  billingPayouts.creator,
  billingPayouts.becomeCreator,
  billingPayouts.payoutAccounts,
  billingPayouts.addPayoutAccount,
  billingPayouts.payoutAccountLink,
  billingPayouts.setDefaultPayoutAccount,
  billingPayouts.removePayoutAccount,
  billingPayouts.payouts,
  billingPayouts.payoutLines,
  billingPayouts.payoutStatement,
  companion.listAvatars,
  companion.findAvatars,
  companion.createAvatar,
  companion.updateAvatar,
  companion.publishAvatar,
  companion.deleteAvatar,
  companion.listPrompts,
  companion.addPrompt,
  companion.activatePrompt,
  chat.open,
  chat.listConversations,
  chat.deleteConversation,
  chat.send,
  chat.attach,
  chat.detach,
  chat.stop,
  chat.regenerate,
  chat.edit,
  chat.select,
  chat.history,
  chat.trace,
  chat.typing,
] as const;

export type UpFrames = (typeof upFrames)[number];
export type UpType = UpFrames['type'];
type FrameOf<T extends UpType> = Extract<UpFrames, { type: T }>;
/** Body of the command `T`, as a handler gets it. */
export type UpBody<T extends UpType> = Static<FrameOf<T>['body']>;
/** Body of the reply to the command `T`. */
export type UpReply<T extends UpType> = Static<FrameOf<T>['reply']>;
