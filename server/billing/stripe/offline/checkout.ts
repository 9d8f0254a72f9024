/** Checkout sessions of the local Stripe server: made by the API, completed on the page that is clearly no real payment. */
import type { Params } from './form.ts';
import type { OfflineMoney } from './money.ts';
import type { Price, Session } from './objects.ts';
import { OfflineError } from './offline-error.ts';
import type { OfflineStore } from './store.ts';
import type { OfflineSubscriptions } from './subscriptions.ts';
import type { Webhooks } from './webhooks.ts';

const DAY_S = 86_400;

export class OfflineCheckout {
  readonly #store: OfflineStore;
  readonly #webhooks: Webhooks;
  readonly #money: OfflineMoney;
  readonly #subscriptions: OfflineSubscriptions;
  /** Where the pages are; known when the server listens. */
  readonly #pageUrl: () => string;

  constructor(
    store: OfflineStore,
    webhooks: Webhooks,
    money: OfflineMoney,
    subscriptions: OfflineSubscriptions,
    pageUrl: () => string,
  ) {
    this.#store = store;
    this.#webhooks = webhooks;
    this.#money = money;
    this.#subscriptions = subscriptions;
    this.#pageUrl = pageUrl;
  }

  create(params: Params): Session {
    const mode = params.getText('mode');
    if (mode !== 'payment' && mode !== 'subscription')
      throw new OfflineError(400, 'parameter_invalid_string', `Invalid mode: ${mode}`, 'mode');
    const customer = this.#store.get('customer', params.getText('customer'), 'customer').id;
    const items = params.list('line_items').map((item) => ({
      price: this.#priceOf(item).id,
      quantity: item.integer('quantity') ?? 1,
    }));
    const prices = items.map(({ price }) => this.#store.get('price', price));
    if (items.length === 0)
      throw new OfflineError(400, 'parameter_missing', 'Missing required param: line_items.', 'line_items');
    if (prices.some(({ recurring }) => (recurring !== null) !== (mode === 'subscription')))
      throw new OfflineError(400, 'parameter_invalid', `A price does not fit mode ${mode}.`, 'line_items');
    const base = this.#store.base('checkout.session');
    const amount = items.reduce((sum, { quantity }, place) => sum + quantity * (prices[place]?.unit_amount ?? 0), 0);
    const session: Session = this.#store.add({
      ...base,
      mode,
      status: 'open',
      payment_status: 'unpaid',
      amount_total: amount,
      currency: prices[0]?.currency ?? '',
      customer,
      client_reference_id: params.text('client_reference_id') ?? null,
      locale: params.text('locale') ?? null,
      metadata: params.map('metadata'),
      payment_intent: null,
      invoice: null,
      subscription: null,
      success_url: params.getText('success_url'),
      cancel_url: params.text('cancel_url') ?? params.getText('success_url'),
      expires_at: params.integer('expires_at') ?? base.created + DAY_S,
      url: `${this.#pageUrl()}/c/pay/${base.id}`,
      offline: {
        items,
        intentMetadata: params.inner('payment_intent_data').map('metadata'),
        subscriptionMetadata: params.inner('subscription_data').map('metadata'),
      },
    });
    return session;
  }

  /** The button "pay" of the page. */
  complete(id: string): Session {
    const session = this.#open(id);
    if (session.mode === 'payment') {
      const intent = this.#intentOf(session);
      this.#money.succeed(intent);
    } else {
      const items = session.offline.items.map(({ price, quantity }) => ({
        price: this.#store.get('price', price),
        quantity,
      }));
      const { subscriptionMetadata } = session.offline;
      const subscription = this.#subscriptions.create(session.customer, items, { ...subscriptionMetadata });
      session.subscription = subscription.id;
      session.invoice = subscription.latest_invoice;
    }
    session.status = 'complete';
    session.payment_status = 'paid';
    session.url = null;
    this.#store.changed();
    this.#webhooks.emit('checkout.session.completed', session);
    return session;
  }

  /** The button of the card that is refused. The session stays open. */
  decline(id: string): Session {
    const session = this.#open(id);
    if (session.mode === 'payment') this.#money.decline(this.#intentOf(session));
    return session;
  }

  expire(id: string): Session {
    const session = this.#open(id);
    session.status = 'expired';
    session.url = null;
    this.#store.changed();
    this.#webhooks.emit('checkout.session.expired', session);
    return session;
  }

  runDue(): void {
    const now = this.#store.now();
    for (const { id } of this.#store.list('checkout.session', (one) => one.status === 'open' && one.expires_at <= now))
      this.expire(id);
  }

  #intentOf(session: Session) {
    if (session.payment_intent !== null) return this.#store.get('payment_intent', session.payment_intent);
    const { amount_total: amount, currency, customer, offline } = session;
    const intent = this.#money.newIntent({ amount, currency, customer, metadata: offline.intentMetadata });
    session.payment_intent = intent.id;
    return intent;
  }

  #open(id: string): Session {
    const session = this.#store.get('checkout.session', id);
    if (session.status !== 'open')
      throw new OfflineError(400, 'checkout_session_not_open', `The session is ${session.status}.`);
    return session;
  }

  #priceOf(item: Params): Price {
    const given = item.text('price');
    if (given !== undefined) return this.#store.get('price', given);
    return addPrice(this.#store, item.inner('price_data'));
  }
}

/** A price with its product, from `price_data` or the parameters of `POST /v1/prices`. */
export function addPrice(store: OfflineStore, params: Params): Price {
  const productId = params.text('product');
  const product =
    productId === undefined
      ? store.add({
          ...store.base('product'),
          name: params.inner('product_data').getText('name'),
          active: true,
          metadata: params.inner('product_data').map('metadata'),
        })
      : store.get('product', productId);
  const amount = params.getInteger('unit_amount');
  if (amount < 0)
    throw new OfflineError(400, 'parameter_invalid_integer', 'Invalid non-negative integer', 'unit_amount');
  const interval = params.inner('recurring').text('interval');
  if (interval !== undefined && interval !== 'month' && interval !== 'year')
    throw new OfflineError(400, 'parameter_invalid_string', `Invalid interval: ${interval}`, 'recurring[interval]');
  return store.add({
    ...store.base('price'),
    active: true,
    currency: params.getText('currency').toLowerCase(),
    unit_amount: amount,
    product: product.id,
    recurring: interval === undefined ? null : { interval, interval_count: 1 },
    type: interval === undefined ? 'one_time' : 'recurring',
    lookup_key: params.text('lookup_key') ?? null,
    metadata: params.map('metadata'),
  });
}
