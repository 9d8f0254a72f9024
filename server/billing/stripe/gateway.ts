/** `MoneyGateway` by Stripe. Reads states, never trusts events; what it makes carries our ids as metadata and idempotency keys. */
import type Stripe from 'stripe';
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import type { DisputeState } from '../../../db/billing/purchases/purchases.ts';
import type { RefundStatus } from '../../../db/billing/purchases/refunds.ts';
import {
  type CheckoutOrder,
  type InvoiceFacts,
  type MethodFacts,
  type MoneyGateway,
  type PaymentFacts,
  ProviderError,
} from '../purchases/gateway.ts';
import type { SoldProduct } from '../purchases/subscription-gateway.ts';
import { ask, askFor } from './client.ts';
import { meta } from './metadata.ts';
import { plansOf } from './plan-metadata.ts';
import { PortalConfiguration } from './portal-configuration.ts';

type Known = { sessionId: string | null; intentId: string | null; invoiceId: string | null };
type MoneyBack = Pick<PaymentFacts, 'refundedMinor' | 'dispute' | 'refunds'>;

const nothingBack: MoneyBack = { refundedMinor: 0, dispute: 'none', refunds: [] };

export class StripeGateway implements MoneyGateway {
  readonly provider: Provider;
  readonly #stripe: Stripe;
  readonly #portal: PortalConfiguration;

  constructor(stripe: Stripe, provider: Provider) {
    this.#stripe = stripe;
    this.provider = provider;
    this.#portal = new PortalConfiguration(stripe);
  }

  async createCustomer(userId: string, insteadOf?: string): Promise<string> {
    // The pseudonym alone: a name or a mail is given to the provider by the person himself, if at all.
    const customer = await ask(
      this.#stripe.customers.create(
        { metadata: { [meta.user]: userId } },
        { idempotencyKey: `customer:${userId}${insteadOf === undefined ? '' : `:${insteadOf}`}` },
      ),
    );
    return customer.id;
  }

  async openCheckout(order: CheckoutOrder): Promise<{ id: string; url: string; expiresAtMs: number }> {
    const session = await ask(
      this.#stripe.checkout.sessions.create(toSessionParams(order), {
        idempotencyKey: `checkout:${order.paymentId}:${order.customerId}`,
      }),
    );
    if (session.url === null) throw new ProviderError('checkout_without_url', false);
    return { id: session.id, url: session.url, expiresAtMs: session.expires_at * 1000 };
  }

  async openPortal(customerId: string, locale: 'en' | 'ja', returnUrl: string): Promise<string> {
    const configuration = await this.#portal.id();
    const session = await ask(
      this.#stripe.billingPortal.sessions.create({
        customer: customerId,
        configuration,
        locale,
        return_url: returnUrl,
      }),
    );
    return session.url;
  }

  async readPayment({ sessionId, intentId, invoiceId }: Known): Promise<PaymentFacts | undefined> {
    if (sessionId !== null) return this.#readSession(sessionId);
    if (invoiceId !== null) return this.#readInvoicePayment(invoiceId);
    return intentId === null ? undefined : this.#readIntent(intentId);
  }

  async findOrigin(
    kind: 'checkout' | 'intent',
    id: string,
  ): Promise<{ paymentId: string | null; invoiceId: string | null } | undefined> {
    if (kind === 'checkout') {
      const session = await askFor(this.#stripe.checkout.sessions.retrieve(id));
      return session && { paymentId: session.metadata?.[meta.payment] ?? null, invoiceId: null };
    }
    const intent = await askFor(this.#stripe.paymentIntents.retrieve(id));
    if (intent === undefined) return undefined;
    const paymentId = intent.metadata[meta.payment] ?? null;
    if (paymentId !== null) return { paymentId, invoiceId: null };
    const found = await ask(
      this.#stripe.invoicePayments.list({ payment: { type: 'payment_intent', payment_intent: id }, limit: 1 }),
    );
    const invoice = found.data[0]?.invoice;
    return { paymentId: null, invoiceId: invoice === undefined ? null : idOf(invoice) };
  }

  async readInvoice(invoiceId: string): Promise<InvoiceFacts | undefined> {
    const invoice = await askFor(this.#stripe.invoices.retrieve(invoiceId));
    if (invoice === undefined || invoice.customer === null) return undefined;
    const of = invoice.parent?.subscription_details?.subscription ?? null;
    const subscriptionId = of === null ? null : idOf(of);
    const subscription =
      subscriptionId === null ? undefined : await askFor(this.#stripe.subscriptions.retrieve(subscriptionId));
    return {
      invoiceId,
      customerId: idOf(invoice.customer),
      subscriptionId,
      paid: invoice.status === 'paid',
      amountMinor: invoice.amount_paid,
      currency: invoice.currency,
      product: invoicedProduct(invoice, subscription),
      period: invoicedPeriod(invoice),
      isChange: invoice.billing_reason === 'subscription_update',
    };
  }

  async readMethods(customerId: string): Promise<readonly MethodFacts[] | undefined> {
    const customer = await askFor(this.#stripe.customers.retrieve(customerId));
    if (customer === undefined) return undefined;
    const chosen = 'invoice_settings' in customer ? customer.invoice_settings.default_payment_method : null;
    const defaultId = chosen === null ? null : idOf(chosen);
    const methods = await ask(this.#stripe.customers.listPaymentMethods(customerId, { limit: 100 }));
    return methods.data.map(({ id, type, card }) => ({
      providerMethodId: id,
      type,
      brand: card?.brand ?? null,
      last4: card?.last4 ?? null,
      expMonth: card?.exp_month ?? null,
      expYear: card?.exp_year ?? null,
      isDefault: id === defaultId,
    }));
  }

  async refund(request: {
    refundId: string;
    intentId: string;
    amountMinor: number;
  }): Promise<{ providerRefundId: string; status: RefundStatus }> {
    const { refundId, intentId, amountMinor } = request;
    const params = { payment_intent: intentId, amount: amountMinor, metadata: { [meta.refund]: refundId } };
    const refund = await ask(this.#stripe.refunds.create(params, { idempotencyKey: `refund:${refundId}` }));
    return { providerRefundId: refund.id, status: refundStatus(refund.status) };
  }

  async #readSession(sessionId: string): Promise<PaymentFacts | undefined> {
    const session = await askFor(
      this.#stripe.checkout.sessions.retrieve(sessionId, { expand: ['payment_intent.latest_charge'] }),
    );
    if (session === undefined) return undefined;
    const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null;
    return {
      status: sessionStatus(session, intent),
      sessionId,
      intentId: intent?.id ?? null,
      invoiceId: session.invoice === null ? null : idOf(session.invoice),
      subscriptionId: session.subscription === null ? null : idOf(session.subscription),
      amountMinor: session.amount_total ?? 0,
      currency: session.currency ?? '',
      ...(await this.#moneyBack(intent)),
    };
  }

  async #readInvoicePayment(invoiceId: string): Promise<PaymentFacts | undefined> {
    const invoice = await askFor(this.#stripe.invoices.retrieve(invoiceId, { expand: ['payments'] }));
    if (invoice === undefined) return undefined;
    const paid = invoice.payments?.data.find(({ status }) => status === 'paid')?.payment.payment_intent;
    const intent = paid === undefined ? null : await this.#retrieveIntent(idOf(paid));
    const of = invoice.parent?.subscription_details?.subscription ?? null;
    return {
      status: invoiceStatus(invoice.status),
      sessionId: null,
      intentId: intent?.id ?? null,
      invoiceId,
      subscriptionId: of === null ? null : idOf(of),
      amountMinor: invoice.amount_paid,
      currency: invoice.currency,
      ...(await this.#moneyBack(intent)),
    };
  }

  async #readIntent(intentId: string): Promise<PaymentFacts | undefined> {
    const intent = await this.#retrieveIntent(intentId);
    if (intent === null) return undefined;
    return {
      status: intentStatus(intent.status),
      sessionId: null,
      intentId,
      invoiceId: null,
      subscriptionId: null,
      amountMinor: intent.amount_received,
      currency: intent.currency,
      ...(await this.#moneyBack(intent)),
    };
  }

  async #retrieveIntent(id: string): Promise<Stripe.PaymentIntent | null> {
    return (await askFor(this.#stripe.paymentIntents.retrieve(id, { expand: ['latest_charge'] }))) ?? null;
  }

  async #moneyBack(intent: Stripe.PaymentIntent | null): Promise<MoneyBack> {
    const charge = intent?.latest_charge;
    if (intent === null || intent.status !== 'succeeded' || typeof charge !== 'object' || charge === null)
      return nothingBack;
    const of = { payment_intent: intent.id, limit: 100 };
    const [refunds, disputes] = await Promise.all([
      ask(this.#stripe.refunds.list(of)),
      charge.disputed ? ask(this.#stripe.disputes.list(of)) : undefined,
    ]);
    return {
      refundedMinor: charge.amount_refunded,
      dispute: disputeState(disputes?.data.map(({ status }) => status) ?? []),
      refunds: refunds.data.map(({ id, metadata, amount, status }) => ({
        refundId: id,
        ourRefundId: metadata?.[meta.refund] ?? null,
        amountMinor: amount,
        status: refundStatus(status),
      })),
    };
  }
}

function toSessionParams(order: CheckoutOrder): Stripe.Checkout.SessionCreateParams {
  const ours = { [meta.payment]: order.paymentId };
  const { name, currency, unitAmountMinor: unit_amount, interval, quantity, product } = order;
  const recurring = interval === null ? {} : { recurring: { interval } };
  const ofProduct = { [meta.productType]: product.type, [meta.productId]: product.id };
  return {
    mode: order.mode,
    customer: order.customerId,
    client_reference_id: order.paymentId,
    locale: order.locale,
    line_items: [{ quantity, price_data: { currency, unit_amount, product_data: { name }, ...recurring } }],
    success_url: order.returnUrl,
    cancel_url: order.returnUrl,
    metadata: ours,
    ...(order.mode === 'payment'
      ? { payment_intent_data: { metadata: ours } }
      : { subscription_data: { metadata: { ...ours, ...ofProduct } } }),
  };
}

/** By the period that the invoice is for, which need not be the current one any more. */
function invoicedProduct(invoice: Stripe.Invoice, subscription: Stripe.Subscription | undefined): SoldProduct | null {
  const [item] = subscription?.items.data ?? [];
  if (subscription === undefined || item === undefined) return null;
  const ends = invoice.lines.data.map(({ period }) => period.end);
  const ofCurrent = ends.length === 0 || ends.some((end) => end > item.current_period_start);
  // Metadata as it was when the invoice was made; what was to change then has changed with the period that it is for.
  const then = invoice.parent?.subscription_details?.metadata ?? subscription.metadata;
  return plansOf(
    ofCurrent ? subscription.metadata : then,
    ofCurrent ? item.current_period_start : Math.max(...ends) - 1,
  ).product;
}

/** That its lines are for; of a change, what is left of the period. */
function invoicedPeriod({ lines }: Stripe.Invoice): { start: Date; end: Date } | null {
  const [start, end] = [
    Math.min(...lines.data.map(({ period }) => period.start)),
    Math.max(...lines.data.map(({ period }) => period.end)),
  ];
  return end > start ? { start: new Date(start * 1000), end: new Date(end * 1000) } : null;
}

export function idOf(object: string | { id: string }): string {
  return typeof object === 'string' ? object : object.id;
}

/** A session that is complete and unpaid waits for a slow means of payment: its intent says how that goes. */
function sessionStatus(session: Stripe.Checkout.Session, intent: Stripe.PaymentIntent | null): PaymentFacts['status'] {
  if (session.status === 'expired') return 'expired';
  if (session.status !== 'complete') return 'open';
  if (session.payment_status !== 'unpaid') return 'succeeded';
  return intent === null ? 'processing' : intentStatus(intent.status);
}

function intentStatus(status: Stripe.PaymentIntent.Status): PaymentFacts['status'] {
  if (status === 'succeeded') return 'succeeded';
  return status === 'requires_payment_method' || status === 'canceled' ? 'failed' : 'processing';
}

function invoiceStatus(status: Stripe.Invoice.Status | null): PaymentFacts['status'] {
  if (status === 'paid') return 'succeeded';
  return status === 'void' || status === 'uncollectible' ? 'failed' : 'open';
}

function refundStatus(status: string | null): RefundStatus {
  if (status === 'succeeded' || status === 'failed' || status === 'canceled') return status;
  return 'pending';
}

/** Inquiries move no money (`warning_…`); one that is open or lost outweighs one that was won. */
function disputeState(states: readonly string[]): DisputeState {
  const all = states.map((state): DisputeState => {
    if (state === 'won' || state === 'lost') return state;
    return state.startsWith('warning_') || state === 'prevented' ? 'none' : 'open';
  });
  return (['open', 'lost', 'won'] as const).find((state) => all.includes(state)) ?? 'none';
}
