/** `SubscriptionGateway` by Stripe. */
import type Stripe from 'stripe';
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import { ProviderError } from '../purchases/gateway.ts';
import type { Price } from '../purchases/product.ts';
import type {
  PlanChange,
  SoldProduct,
  SubscriptionFacts,
  SubscriptionGateway,
  SubscriptionStatus,
} from '../purchases/subscription-gateway.ts';
import { ask, askFor } from './client.ts';
import { idOf } from './gateway.ts';
import { planMetadata, plansOf } from './plan-metadata.ts';

export class StripeSubscriptions implements SubscriptionGateway {
  readonly #stripe: Stripe;
  readonly #provider: Provider;

  constructor(stripe: Stripe, provider: Provider) {
    this.#stripe = stripe;
    this.#provider = provider;
  }

  async read(subscriptionId: string): Promise<SubscriptionFacts | undefined> {
    const found = await askFor(this.#stripe.subscriptions.retrieve(subscriptionId));
    if (found === undefined) return undefined;
    const [item] = found.items.data;
    if (item === undefined) return undefined;
    return {
      provider: this.#provider,
      subscriptionId,
      customerId: idOf(found.customer),
      ...plansOf(found.metadata, item.current_period_start),
      anchorMs: found.billing_cycle_anchor * 1000,
      status: statusOf(found.status),
      periodStartMs: item.current_period_start * 1000,
      periodEndMs: item.current_period_end * 1000,
      cancelAtPeriodEnd: found.cancel_at_period_end || found.cancel_at === item.current_period_end,
      canceledAtMs: found.canceled_at === null ? null : found.canceled_at * 1000,
      endedAtMs: found.ended_at === null ? null : found.ended_at * 1000,
      createdAtMs: found.created * 1000,
    };
  }

  async change(subscriptionId: string, { product, price, when, requestKey }: PlanChange): Promise<void> {
    const { currency, amountMinor: unit_amount, interval } = price;
    if (interval === null) throw new Error('A subscription needs a price with an interval.');
    const found = await ask(this.#stripe.subscriptions.retrieve(subscriptionId));
    const [item] = found.items.data;
    if (item === undefined) throw new ProviderError('subscription_without_items', false);
    const productId = await this.#productId(product, price);
    const price_data = { currency, unit_amount, product: productId, recurring: { interval } };
    const { current_period_start: startS, current_period_end: endS } = item;
    const { product: current } = plansOf(found.metadata, startS);
    const metadata = planMetadata(when === 'period_end' ? (current ?? product) : product, product, endS);
    await ask(
      this.#stripe.subscriptions.update(
        subscriptionId,
        {
          items: [{ id: item.id, price_data, quantity: 1 }],
          metadata,
          proration_behavior: when === 'now' ? 'always_invoice' : 'none',
          cancel_at_period_end: false,
        },
        { idempotencyKey: `change:${subscriptionId}:${requestKey}` },
      ),
    );
  }

  async setCancelAtPeriodEnd(subscriptionId: string, cancel: boolean): Promise<void> {
    await ask(this.#stripe.subscriptions.update(subscriptionId, { cancel_at_period_end: cancel }));
  }

  async cancelNow(subscriptionId: string): Promise<void> {
    try {
      await ask(this.#stripe.subscriptions.cancel(subscriptionId));
    } catch (error) {
      // Ended already: what was wanted.
      if (!(error instanceof ProviderError && error.code === 'resource_missing')) throw error;
    }
  }

  /** A product of the provider for each thing of ours, under an id of ours. */
  async #productId({ type, id }: SoldProduct, { name }: Price): Promise<string> {
    const productId = `tsumugi_${type}_${id}`.replaceAll(/[^A-Za-z0-9_-]/g, '_');
    const known = await askFor(this.#stripe.products.retrieve(productId));
    if (known !== undefined) return known.id;
    try {
      return (await ask(this.#stripe.products.create({ id: productId, name: name.en }))).id;
    } catch (error) {
      // Another gateway was faster.
      if (error instanceof ProviderError && error.code === 'resource_already_exists') return productId;
      throw error;
    }
  }
}

function statusOf(status: string): SubscriptionStatus {
  const known: readonly SubscriptionStatus[] = ['trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled'];
  if (status === 'incomplete_expired') return 'canceled';
  // What Stripe adds one day gives no rights until it is known here.
  return known.find((one) => one === status) ?? 'incomplete';
}
