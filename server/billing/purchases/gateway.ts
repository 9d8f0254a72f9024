/** What billing needs of whoever takes the money, in its own words. `stripe/` implements it. */
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import type { DisputeState } from '../../../db/billing/purchases/purchases.ts';
import type { RefundStatus } from '../../../db/billing/purchases/refunds.ts';

export type CheckoutOrder = {
  /** Id of our payment: travels as metadata and makes the request idempotent. */
  paymentId: string;
  customerId: string;
  mode: 'payment' | 'subscription';
  name: string;
  /** Of one piece. */
  unitAmountMinor: number;
  currency: string;
  quantity: number;
  interval: 'month' | 'year' | null;
  /** Kept with a subscription, so that its state names what was sold. */
  product: { type: string; id: string };
  locale: 'en' | 'ja';
  returnUrl: string;
};

/** The state of a payment at the provider, as it is now. */
export type PaymentFacts = {
  status: 'open' | 'processing' | 'succeeded' | 'failed' | 'expired';
  sessionId: string | null;
  intentId: string | null;
  invoiceId: string | null;
  subscriptionId: string | null;
  /** What was really paid. */
  amountMinor: number;
  currency: string;
  refundedMinor: number;
  dispute: DisputeState;
  refunds: readonly { refundId: string; ourRefundId: string | null; amountMinor: number; status: RefundStatus }[];
};

export type MethodFacts = {
  providerMethodId: string;
  type: string;
  brand: string | null;
  last4: string | null;
  expMonth: number | null;
  expYear: number | null;
  isDefault: boolean;
};

/** One period of a subscription that was to be paid. */
export type InvoiceFacts = {
  invoiceId: string;
  customerId: string;
  subscriptionId: string | null;
  paid: boolean;
  amountMinor: number;
  currency: string;
  product: { type: string; id: string } | null;
  period: { start: Date; end: Date } | null;
  /** For a greater plan within a period that is paid already. */
  isChange: boolean;
};

/** Every method may fail with `ProviderError`; what makes something is idempotent by our ids. */
export interface MoneyGateway {
  readonly provider: Provider;
  /** @param insteadOf a customer that the provider does not have any more. */
  createCustomer(userId: string, insteadOf?: string): Promise<string>;
  openCheckout(order: CheckoutOrder): Promise<{ id: string; url: string; expiresAtMs: number }>;
  /** Where a person changes cards and subscriptions himself. */
  openPortal(customerId: string, locale: 'en' | 'ja', returnUrl: string): Promise<string>;
  /** By what is known of it. Undefined when the provider has no such payment. */
  readPayment(known: {
    sessionId: string | null;
    intentId: string | null;
    invoiceId: string | null;
  }): Promise<PaymentFacts | undefined>;
  /** Our payment that an object of the provider was made for: from its metadata. */
  findOrigin(
    kind: 'checkout' | 'intent',
    id: string,
  ): Promise<{ paymentId: string | null; invoiceId: string | null } | undefined>;
  readInvoice(invoiceId: string): Promise<InvoiceFacts | undefined>;
  /** Undefined when there is no such customer (any more). */
  readMethods(customerId: string): Promise<readonly MethodFacts[] | undefined>;
  refund(request: {
    refundId: string;
    intentId: string;
    amountMinor: number;
  }): Promise<{ providerRefundId: string; status: RefundStatus }>;
}

/** The customer of a request is gone at the provider: deleted there, or it was another account’s. */
export function isLostCustomer(error: unknown): boolean {
  return error instanceof ProviderError && error.code === 'resource_missing' && error.param === 'customer';
}

/** The provider did not do it. `retry` says whether asking again can help. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly retry: boolean;
  /** Of the provider, a stable word. */
  readonly code: string;
  /** What of the request it complains about. */
  readonly param: string | undefined;

  constructor(code: string, retry: boolean, options: ErrorOptions & { param?: string | undefined } = {}) {
    super(`The payment provider answered ${code}.`, options);
    this.code = code;
    this.retry = retry;
    this.param = options.param;
  }
}
