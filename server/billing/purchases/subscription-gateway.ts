/** Paid plans at the provider, in billing's own words: what is there, and what can be asked for. `stripe/` implements it. */
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import type { Price } from './product.ts';

export type SubscriptionStatus = 'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'canceled';

/** The state of a subscription at the provider, as it was looked at. */
export type SubscriptionFacts = {
  provider: Provider;
  subscriptionId: string;
  customerId: string;
  /** What was sold, from the metadata that this server has put there. */
  product: { type: string; id: string } | null;
  status: SubscriptionStatus;
  periodStartMs: number;
  periodEndMs: number;
  cancelAtPeriodEnd: boolean;
  canceledAtMs: number | null;
  endedAtMs: number | null;
  createdAtMs: number;
};

/** Every method may fail with `ProviderError`. What changes something is told again by an event, and read then. */
export interface SubscriptionGateway {
  /** Undefined when the provider has no such subscription. */
  read(subscriptionId: string): Promise<SubscriptionFacts | undefined>;
  /** Another plan at once; the rest of the period is charged with the difference. */
  change(
    subscriptionId: string,
    to: { product: { type: string; id: string }; price: Price; requestKey: string },
  ): Promise<void>;
  /** Ends with the period that is paid, or takes that back. */
  setCancelAtPeriodEnd(subscriptionId: string, cancel: boolean): Promise<void>;
  /** Ends at once: the money was taken back. */
  cancelNow(subscriptionId: string): Promise<void>;
}
