/** `POST /stripe/webhook`: checks that it is the provider who speaks, stores what he says, answers at once. */

import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { HttpReply, Route, RouteRequest } from '../../http.ts';
import type { PurchaseLog } from '../purchases/needs.ts';
import { readEvent } from './event-subject.ts';
import type { EventInbox } from './inbox.ts';
import { verifyEvent } from './signature.ts';

export type WebhookOptions = {
  secrets: readonly string[];
  /** True with a live key: events of the test world are then not ours, and the other way round. */
  livemode: boolean;
};

/** Stripe's own events are far smaller. */
const MAX_BODY_BYTES = 512 * 1024;

export function webhookRoute(
  inbox: Pick<EventInbox, 'receive'>,
  clock: Clock,
  log: PurchaseLog,
  options: WebhookOptions,
): Route {
  return {
    method: 'POST',
    path: '/stripe/webhook',
    says: 'Events of Stripe, signed. Stored before they are answered; only what they are about is kept.',
    errors: ['billing.invalid_signature', 'protocol.malformed', 'protocol.too_large'],
    takesBytes: true,
    maxBodyBytes: MAX_BODY_BYTES,
    handle: async (request: RouteRequest): Promise<HttpReply> => {
      const header = request.headers.get('stripe-signature');
      const event = readEvent(verifyEvent(request.rawBody, header, options.secrets, clock.now()));
      if (event === undefined) throw new AppError('protocol.malformed', {}, 'This is no event.');
      const { eventId, type } = event;
      if (event.livemode !== options.livemode) {
        log.warn({ eventId, type, livemode: event.livemode }, 'an event of the other mode of Stripe was left alone');
        return { status: 200, body: { received: true } };
      }
      const isNew = await inbox.receive(event);
      log.info({ eventId, type, isNew }, 'the payment provider told something');
      return { status: 200, body: { received: true } };
    },
  };
}
