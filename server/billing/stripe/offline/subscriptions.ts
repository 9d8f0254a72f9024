/** Subscriptions of the local Stripe server: their periods, invoices and cards that are refused. */

import type { OfflineMoney } from './money.ts';
import type { Invoice, InvoicePayment, Price, Subscription } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';
import type { Webhooks } from './webhooks.ts';

type Item = { price: Price; quantity: number };
type Change = {
  items?: Item[];
  cancelAtPeriodEnd?: boolean | undefined;
  metadata?: Record<string, string>;
  proration?: 'create_prorations' | 'always_invoice' | 'none';
};

const emptyList = <T>(url: string, data: T[] = []) => ({
  object: 'list' as const,
  data,
  has_more: false as const,
  url,
});

export class OfflineSubscriptions {
  readonly #store: OfflineStore;
  readonly #webhooks: Webhooks;
  readonly #money: OfflineMoney;

  constructor(store: OfflineStore, webhooks: Webhooks, money: OfflineMoney) {
    this.#store = store;
    this.#webhooks = webhooks;
    this.#money = money;
  }

  /** Begins and pays its first period. */
  create(customer: string, items: readonly Item[], metadata: Record<string, string>): Subscription {
    const base = this.#store.base('subscription');
    const [first] = items;
    if (first === undefined)
      throw new OfflineError(400, 'parameter_missing', 'Missing required param: items.', 'items');
    const start = base.created;
    const subscription: Subscription = {
      ...base,
      customer,
      status: 'active',
      items: emptyList(
        `/v1/subscription_items?subscription=${base.id}`,
        items.map((item, place) => this.#item(base.id, item, place, start, addInterval(start, start, item.price))),
      ),
      cancel_at_period_end: false,
      cancel_at: null,
      canceled_at: null,
      ended_at: null,
      currency: first.price.currency,
      default_payment_method: this.#money.cardOf(customer).id,
      latest_invoice: null,
      metadata,
      billing_cycle_anchor: start,
      start_date: start,
      trial_end: null,
      offline: { declines: false },
    };
    this.#store.add(subscription);
    const invoice = this.#invoice(subscription, 'subscription_create', totalOf(subscription));
    this.#pay(subscription, invoice);
    this.#webhooks.emit('customer.subscription.created', subscription);
    this.#tellInvoice(invoice);
    return subscription;
  }

  /** Another plan takes the rest of the period: the difference is invoiced at once. */
  update(id: string, { items, cancelAtPeriodEnd, metadata, proration = 'create_prorations' }: Change): Subscription {
    const subscription = this.#live(id);
    const previous: Record<string, unknown> = {};
    let invoice: Invoice | undefined;
    for (const [name, value] of Object.entries(metadata ?? {})) {
      if (value === '') delete subscription.metadata[name];
      else subscription.metadata[name] = value;
    }
    if (items !== undefined && items.length > 0) {
      const before = totalOf(subscription);
      const [old] = subscription.items.data;
      const [start, end] = [old?.current_period_start ?? 0, old?.current_period_end ?? 0];
      previous['items'] = structuredClone(subscription.items);
      subscription.items.data = items.map((item, place) => this.#item(id, item, place, start, end, old?.id));
      const share = end === start ? 0 : Math.max(0, (end - this.#store.now()) / (end - start));
      const due = Math.round((totalOf(subscription) - before) * share);
      if (proration === 'always_invoice' && due > 0) invoice = this.#invoice(subscription, 'subscription_update', due);
    }
    if (cancelAtPeriodEnd !== undefined) {
      previous['cancel_at_period_end'] = subscription.cancel_at_period_end;
      subscription.cancel_at_period_end = cancelAtPeriodEnd;
      subscription.cancel_at = cancelAtPeriodEnd ? periodEnd(subscription) : null;
      subscription.canceled_at = cancelAtPeriodEnd ? this.#store.now() : null;
    }
    if (invoice !== undefined) this.#pay(subscription, invoice);
    this.#store.changed();
    this.#webhooks.emit('customer.subscription.updated', subscription, { previous });
    if (invoice !== undefined) this.#tellInvoice(invoice);
    return subscription;
  }

  cancel(id: string): Subscription {
    const subscription = this.#live(id);
    this.#end(subscription);
    return subscription;
  }

  /** From now on the card is refused, or taken again. */
  setDeclines(id: string, declines: boolean): void {
    this.#live(id).offline.declines = declines;
    this.#store.changed();
  }

  /** Tries an open invoice again. */
  payInvoice(id: string): Invoice {
    const invoice = this.#store.get('invoice', id);
    if (invoice.status !== 'open')
      throw new OfflineError(400, 'invoice_not_open', `Invoice ${id} is ${invoice.status}.`);
    const subscription = this.#store.get('subscription', invoice.parent.subscription_details.subscription);
    this.#pay(subscription, invoice);
    this.#tellInvoice(invoice);
    this.#webhooks.emit('customer.subscription.updated', subscription);
    return invoice;
  }

  /** Renews and ends what is due by the clock. */
  runDue(): void {
    const now = this.#store.now();
    for (const subscription of this.#store.list('subscription', ({ status }) => status !== 'canceled')) {
      for (
        let periods = 0;
        periodEnd(subscription) <= now && subscription.status !== 'canceled' && periods < 1200;
        periods++
      ) {
        if (subscription.cancel_at_period_end) this.#end(subscription);
        else this.#renew(subscription);
      }
    }
  }

  #renew(subscription: Subscription): void {
    const previous = { status: subscription.status };
    for (const item of subscription.items.data) {
      item.current_period_start = item.current_period_end;
      item.current_period_end = addInterval(subscription.billing_cycle_anchor, item.current_period_start, item.price);
    }
    const invoice = this.#invoice(subscription, 'subscription_cycle', totalOf(subscription));
    this.#pay(subscription, invoice);
    this.#webhooks.emit('customer.subscription.updated', subscription, { previous });
    this.#tellInvoice(invoice);
  }

  #pay(subscription: Subscription, invoice: Invoice): void {
    const payment = invoice.payments.data[0];
    invoice.attempt_count++;
    if (payment === undefined) {
      invoice.status = 'paid';
    } else {
      const intent = this.#store.get('payment_intent', payment.payment.payment_intent);
      if (subscription.offline.declines) this.#money.decline(intent);
      else {
        this.#money.succeed(intent);
        payment.status = 'paid';
        payment.amount_paid = invoice.amount_due;
        invoice.status = 'paid';
        invoice.amount_paid = invoice.amount_due;
      }
    }
    subscription.status = invoice.status === 'paid' ? 'active' : 'past_due';
    this.#store.changed();
  }

  #invoice(subscription: Subscription, reason: Invoice['billing_reason'], amount: number): Invoice {
    const { customer, currency, id, metadata } = subscription;
    const base = this.#store.base('invoice');
    const invoice: Invoice = this.#store.add({
      ...base,
      ...{ customer, currency, status: 'open', amount_due: amount, amount_paid: 0, total: amount },
      billing_reason: reason,
      parent: {
        type: 'subscription_details',
        quote_details: null,
        subscription_details: { subscription: id, metadata: { ...metadata } },
      },
      period_start: this.#store.now(),
      period_end: this.#store.now(),
      attempt_count: 0,
      lines: emptyList(
        `/v1/invoices/${base.id}/lines`,
        subscription.items.data.map(
          ({ id: item, price, quantity, current_period_start: start, current_period_end: end }) => ({
            id: `il_${item.slice(3)}_${base.id.slice(3)}`,
            object: 'line_item' as const,
            amount: price.unit_amount * quantity,
            currency,
            period: { start, end },
          }),
        ),
      ),
      payments: emptyList(`/v1/invoice_payments?invoice=${base.id}`),
    });
    if (amount > 0) {
      const intent = this.#money.newIntent({ amount, currency, customer, metadata: {} });
      const payment: InvoicePayment = this.#store.add({
        ...this.#store.base('invoice_payment'),
        ...{ invoice: base.id, amount_paid: 0, amount_requested: amount, currency, is_default: true, status: 'open' },
        payment: { type: 'payment_intent', payment_intent: intent.id },
      });
      invoice.payments.data.push(payment);
    }
    subscription.latest_invoice = invoice.id;
    return invoice;
  }

  #tellInvoice(invoice: Invoice): void {
    if (invoice.status === 'paid') this.#webhooks.emit('invoice.paid', invoice);
    else this.#webhooks.emit('invoice.payment_failed', invoice);
  }

  #end(subscription: Subscription): void {
    subscription.status = 'canceled';
    subscription.ended_at = this.#store.now();
    subscription.canceled_at ??= this.#store.now();
    this.#store.changed();
    this.#webhooks.emit('customer.subscription.deleted', subscription);
  }

  #item(subscription: string, { price, quantity }: Item, place: number, start: number, end: number, id?: string) {
    const period = { current_period_start: start, current_period_end: end };
    return {
      id: id ?? `si_${subscription.slice(4)}${place}`,
      object: 'subscription_item' as const,
      price,
      quantity,
      subscription,
      ...period,
    };
  }

  #live(id: string): Subscription {
    const subscription = this.#store.get('subscription', id);
    if (subscription.status === 'canceled')
      throw new OfflineError(404, 'resource_missing', `No such subscription: '${id}'`, 'id');
    return subscription;
  }
}

function totalOf({ items }: Subscription): number {
  return items.data.reduce((sum, { price, quantity }) => sum + price.unit_amount * quantity, 0);
}

function periodEnd({ items }: Subscription): number {
  return Math.min(...items.data.map((item) => item.current_period_end));
}

/** The first anniversary of `anchor` behind `after`; a day that a month lacks is its last day. */
function addInterval(anchor: number, after: number, price: Price): number {
  const from = new Date(anchor * 1000);
  const step = price.recurring?.interval === 'year' ? 12 : 1;
  for (let months = step; ; months += step) {
    const day = new Date(from);
    day.setUTCDate(1);
    day.setUTCMonth(day.getUTCMonth() + months);
    const last = new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();
    day.setUTCDate(Math.min(from.getUTCDate(), last));
    const seconds = Math.floor(day.getTime() / 1000);
    if (seconds > after) return seconds;
  }
}
