/** The objects of the local Stripe server: what of Stripe's own shapes it serves. Times are seconds. */
type Base<Name extends string> = { id: string; object: Name; created: number; livemode: false };
type Metadata = Record<string, string>;

export type Customer = Base<'customer'> & {
  email: string | null;
  metadata: Metadata;
  invoice_settings: { default_payment_method: string | null };
};
export type PaymentMethod = Base<'payment_method'> & {
  type: 'card';
  customer: string | null;
  card: { brand: string; last4: string; exp_month: number; exp_year: number };
};
export type Product = Base<'product'> & { name: string; active: boolean; metadata: Metadata };
export type Price = Base<'price'> & {
  active: boolean;
  currency: string;
  unit_amount: number;
  product: string;
  recurring: { interval: 'month' | 'year'; interval_count: 1 } | null;
  type: 'recurring' | 'one_time';
  lookup_key: string | null;
  metadata: Metadata;
};
export type Session = Base<'checkout.session'> & {
  mode: 'payment' | 'subscription';
  status: 'open' | 'complete' | 'expired';
  payment_status: 'paid' | 'unpaid';
  amount_total: number;
  currency: string;
  customer: string;
  client_reference_id: string | null;
  locale: string | null;
  metadata: Metadata;
  payment_intent: string | null;
  invoice: string | null;
  subscription: string | null;
  success_url: string;
  cancel_url: string;
  expires_at: number;
  url: string | null;
  /** Not of Stripe's shape: what the page shows and what completing it makes. */
  offline: { items: { price: string; quantity: number }[]; intentMetadata: Metadata; subscriptionMetadata: Metadata };
};
export type PaymentIntent = Base<'payment_intent'> & {
  amount: number;
  amount_received: number;
  currency: string;
  customer: string;
  status: 'requires_payment_method' | 'processing' | 'succeeded' | 'canceled';
  latest_charge: string | null;
  payment_method: string | null;
  metadata: Metadata;
};
export type Charge = Base<'charge'> & {
  amount: number;
  amount_refunded: number;
  currency: string;
  customer: string;
  payment_intent: string;
  payment_method: string;
  paid: boolean;
  refunded: boolean;
  disputed: boolean;
  status: 'succeeded' | 'failed';
  metadata: Metadata;
};
export type Refund = Base<'refund'> & {
  amount: number;
  currency: string;
  charge: string;
  payment_intent: string;
  reason: string | null;
  status: 'succeeded' | 'pending' | 'failed';
  metadata: Metadata;
};
export type Dispute = Base<'dispute'> & {
  amount: number;
  currency: string;
  charge: string;
  payment_intent: string;
  reason: string;
  status: 'warning_needs_response' | 'warning_closed' | 'needs_response' | 'under_review' | 'won' | 'lost';
};
export type SubscriptionItem = {
  id: string;
  object: 'subscription_item';
  price: Price;
  quantity: number;
  subscription: string;
  current_period_start: number;
  current_period_end: number;
};
export type Subscription = Base<'subscription'> & {
  customer: string;
  status: 'incomplete' | 'active' | 'past_due' | 'canceled' | 'unpaid';
  items: { object: 'list'; data: SubscriptionItem[]; has_more: false; url: string };
  cancel_at_period_end: boolean;
  cancel_at: number | null;
  canceled_at: number | null;
  ended_at: number | null;
  currency: string;
  default_payment_method: string | null;
  latest_invoice: string | null;
  metadata: Metadata;
  billing_cycle_anchor: number;
  start_date: number;
  trial_end: null;
  /** Not of Stripe's shape: the card is refused from now on. */
  offline: { declines: boolean };
};
export type InvoicePayment = Base<'invoice_payment'> & {
  invoice: string;
  amount_paid: number;
  amount_requested: number;
  currency: string;
  is_default: boolean;
  status: 'paid' | 'open';
  payment: { type: 'payment_intent'; payment_intent: string };
};
export type InvoiceLine = {
  id: string;
  object: 'line_item';
  amount: number;
  currency: string;
  period: { start: number; end: number };
};
export type Invoice = Base<'invoice'> & {
  customer: string;
  status: 'open' | 'paid' | 'void';
  amount_due: number;
  amount_paid: number;
  total: number;
  currency: string;
  billing_reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update';
  parent: {
    type: 'subscription_details';
    quote_details: null;
    subscription_details: { subscription: string; metadata: Metadata };
  };
  period_start: number;
  period_end: number;
  attempt_count: number;
  lines: { object: 'list'; data: InvoiceLine[]; has_more: false; url: string };
  payments: { object: 'list'; data: InvoicePayment[]; has_more: false; url: string };
};
export type PortalConfiguration = Base<'billing_portal.configuration'> & {
  active: true;
  metadata: Metadata;
  features: object;
};
export type PortalSession = Base<'billing_portal.session'> & {
  customer: string;
  configuration: string;
  return_url: string;
  locale: string | null;
  url: string;
};
export type Account = Base<'account'> & {
  type: 'express' | 'standard' | 'custom';
  country: string;
  email: string | null;
  metadata: Metadata;
  charges_enabled: boolean;
  payouts_enabled: boolean;
  details_submitted: boolean;
  requirements: { currently_due: string[]; disabled_reason: string | null };
  external_accounts: { object: 'list'; data: BankAccount[]; has_more: false; url: string };
};
export type BankAccount = { id: string; object: 'bank_account'; bank_name: string; last4: string; country: string };
/** From an account to its bank. */
export type BankPayout = Base<'payout'> & {
  amount: number;
  currency: string;
  status: 'paid' | 'failed';
  failure_code: string | null;
  /** Not of Stripe's shape: whose it is. */
  offline: { account: string };
};
export type AccountLink = Base<'account_link'> & {
  url: string;
  expires_at: number;
  account: string;
  return_url: string;
};
export type TransferReversal = Base<'transfer_reversal'> & {
  amount: number;
  currency: string;
  transfer: string;
  metadata: Metadata;
};
export type Transfer = Base<'transfer'> & {
  amount: number;
  amount_reversed: number;
  reversed: boolean;
  currency: string;
  destination: string;
  description: string | null;
  transfer_group: string | null;
  metadata: Metadata;
  reversals: { object: 'list'; data: TransferReversal[]; has_more: false; url: string };
};
export type Event = Base<'event'> & {
  type: string;
  api_version: string;
  pending_webhooks: number;
  request: { id: string | null; idempotency_key: string | null };
  data: { object: object; previous_attributes?: object };
  account?: string;
};
export type WebhookEndpoint = Base<'webhook_endpoint'> & {
  url: string;
  enabled_events: string[];
  status: 'enabled';
  secret: string;
};

export type OfflineObject =
  | BankPayout
  | Customer
  | PaymentMethod
  | Product
  | Price
  | Session
  | PaymentIntent
  | Charge
  | Refund
  | Dispute
  | Subscription
  | InvoicePayment
  | Invoice
  | PortalConfiguration
  | PortalSession
  | Account
  | AccountLink
  | Transfer
  | TransferReversal
  | Event
  | WebhookEndpoint;
export type ObjectName = OfflineObject['object'];
export type Named<Name extends ObjectName> = Extract<OfflineObject, { object: Name }>;
