/** Payments of the local Stripe server: intents, charges, refunds, disputes. */

import type { Charge, Dispute, PaymentIntent, PaymentMethod, Refund } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';
import type { Webhooks } from './webhooks.ts';

export class OfflineMoney {
  readonly #store: OfflineStore;
  readonly #webhooks: Webhooks;

  constructor(store: OfflineStore, webhooks: Webhooks) {
    this.#store = store;
    this.#webhooks = webhooks;
  }

  newIntent(of: Pick<PaymentIntent, 'amount' | 'currency' | 'customer' | 'metadata'>): PaymentIntent {
    const intent: PaymentIntent = {
      ...this.#store.base('payment_intent'),
      ...of,
      amount_received: 0,
      status: 'requires_payment_method',
      latest_charge: null,
      payment_method: null,
    };
    this.#store.add(intent);
    this.#webhooks.emit('payment_intent.created', intent);
    return intent;
  }

  /** A card for tests, as the offline page offers. The first becomes the customer's own. */
  addCard(customerId: string, last4 = '4242'): PaymentMethod {
    const year = new Date(this.#store.now() * 1000).getUTCFullYear() + 3;
    const card = { brand: 'visa', last4, exp_month: 12, exp_year: year };
    const base = this.#store.base('payment_method');
    const method: PaymentMethod = this.#store.add({ ...base, type: 'card', customer: customerId, card });
    const customer = this.#store.get('customer', customerId);
    customer.invoice_settings.default_payment_method ??= method.id;
    this.#webhooks.emit('payment_method.attached', method);
    return method;
  }

  cardOf(customerId: string): PaymentMethod {
    const { default_payment_method: id } = this.#store.get('customer', customerId).invoice_settings;
    return (id === null ? undefined : this.#store.find('payment_method', id)) ?? this.addCard(customerId);
  }

  succeed(intent: PaymentIntent): Charge {
    const method = this.cardOf(intent.customer);
    const charge = this.#charge(intent, method, 'succeeded');
    intent.status = 'succeeded';
    intent.amount_received = intent.amount;
    this.#webhooks.emit('charge.succeeded', charge);
    this.#webhooks.emit('payment_intent.succeeded', intent);
    return charge;
  }

  decline(intent: PaymentIntent): void {
    const charge = this.#charge(intent, this.cardOf(intent.customer), 'failed');
    intent.status = 'requires_payment_method';
    this.#webhooks.emit('charge.failed', charge);
    this.#webhooks.emit('payment_intent.payment_failed', intent);
  }

  #charge(intent: PaymentIntent, method: PaymentMethod, status: Charge['status']): Charge {
    const { amount, currency, customer, metadata } = intent;
    const charge: Charge = this.#store.add({
      ...this.#store.base('charge'),
      ...{ amount, currency, customer, metadata, status },
      payment_intent: intent.id,
      payment_method: method.id,
      paid: status === 'succeeded',
      amount_refunded: 0,
      refunded: false,
      disputed: false,
    });
    intent.latest_charge = charge.id;
    intent.payment_method = method.id;
    this.#store.changed();
    return charge;
  }

  /** @throws OfflineError when it was not paid, or that much is not left. */
  refund(
    intentId: string,
    amount: number | undefined,
    more: { metadata: Record<string, string>; reason: string | null },
  ): Refund {
    const { charge } = this.#paid(intentId);
    const left = charge.amount - charge.amount_refunded;
    const refunded = amount ?? left;
    if (left === 0)
      throw new OfflineError(400, 'charge_already_refunded', `Charge ${charge.id} has already been refunded.`);
    if (refunded < 1 || refunded > left)
      throw new OfflineError(
        400,
        'amount_too_large',
        `Refund amount is greater than what is left (${left}).`,
        'amount',
      );
    if (this.#store.list('dispute', (one) => one.charge === charge.id && one.status !== 'won').length > 0)
      throw new OfflineError(400, 'charge_disputed', `Charge ${charge.id} has been charged back.`);
    const refund: Refund = this.#store.add({
      ...this.#store.base('refund'),
      amount: refunded,
      currency: charge.currency,
      charge: charge.id,
      payment_intent: intentId,
      status: 'succeeded',
      ...more,
    });
    charge.amount_refunded += refunded;
    charge.refunded = charge.amount_refunded === charge.amount;
    this.#webhooks.emit('refund.created', refund);
    this.#webhooks.emit('charge.refunded', charge);
    return refund;
  }

  /** The bank could not pay a refund out: the money is back with the seller. */
  failRefund(refundId: string): Refund {
    const refund = this.#store.get('refund', refundId);
    if (refund.status === 'failed') return refund;
    const charge = this.#store.get('charge', refund.charge);
    refund.status = 'failed';
    charge.amount_refunded -= refund.amount;
    charge.refunded = false;
    this.#store.changed();
    this.#webhooks.emit('refund.failed', refund);
    return refund;
  }

  openDispute(intentId: string, status: 'warning_needs_response' | 'needs_response' = 'needs_response'): Dispute {
    const { charge } = this.#paid(intentId);
    charge.disputed = true;
    const dispute: Dispute = this.#store.add({
      ...this.#store.base('dispute'),
      amount: charge.amount,
      currency: charge.currency,
      charge: charge.id,
      payment_intent: intentId,
      reason: 'fraudulent',
      status,
    });
    this.#webhooks.emit('charge.dispute.created', dispute);
    if (status === 'needs_response') this.#webhooks.emit('charge.dispute.funds_withdrawn', dispute);
    return dispute;
  }

  closeDispute(disputeId: string, status: 'won' | 'lost' | 'warning_closed'): Dispute {
    const dispute = this.#store.get('dispute', disputeId);
    dispute.status = status;
    this.#store.changed();
    this.#webhooks.emit('charge.dispute.closed', dispute);
    if (status === 'won') this.#webhooks.emit('charge.dispute.funds_reinstated', dispute);
    return dispute;
  }

  #paid(intentId: string): { intent: PaymentIntent; charge: Charge } {
    const intent = this.#store.get('payment_intent', intentId);
    const charge = intent.latest_charge === null ? undefined : this.#store.find('charge', intent.latest_charge);
    if (charge === undefined || intent.status !== 'succeeded')
      throw new OfflineError(
        400,
        'payment_intent_unexpected_state',
        `PaymentIntent ${intentId} has no successful charge.`,
      );
    return { intent, charge };
  }
}
