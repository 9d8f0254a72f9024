/** Every push there is: a new one gets one line here. */
import type { Static } from 'typebox';
import * as billing from './billing.ts';
import * as plans from './billing-plans.ts';
import * as buying from './billing-purchases.ts';
import * as chat from './chat.ts';
import * as gateway from './gateway.ts';
import * as identity from './identity.ts';

export const downFrames = [
  gateway.hello,
  gateway.draining,
  identity.signedOut,
  identity.presencePush,
  billing.balancePush,
  plans.subscriptionPush,
  plans.quotaWarning,
  buying.purchasePush,
  chat.messagePush,
  chat.delta,
  chat.snapshot,
  chat.done,
  chat.selected,
  chat.conversationDeleted,
  chat.typingPush,
] as const;

type DownFrames = (typeof downFrames)[number];
export type DownType = DownFrames['type'];
export type DownBody<T extends DownType> = Static<Extract<DownFrames, { type: T }>['body']>;
/** A push as it travels. */
export type Push = { [T in DownType]: { type: T; body: DownBody<T> } }[DownType];
