/** Paid plans at the provider, in billing's own words: what is there, and what can be asked for. `stripe/` implements it. */
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import type { Price } from './product.ts';

export type SubscriptionStatus = 'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'canceled';

export type SoldProduct = { type: string; id: string };
export type PlanChange = {
  product: SoldProduct;
  price: Price;
  when: 'now' | 'now_unpaid' | 'period_end';
  requestKey: string;
};

/** The state of a subscription at the provider, as it was looked at. */
export type SubscriptionFacts = {
  provider: Provider;
  subscriptionId: string;
  customerId: string;
  /** What the current period is for, from the metadata that this server has put there. */
  product: SoldProduct | null;
  /** What the next one will be for, where that is another. */
  nextProduct: SoldProduct | null;
  status: SubscriptionStatus;
  /** Where the provider counts its periods from. */
  anchorMs: number;
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
  /**
   * Another plan: `now` charges the rest of the period with the difference, `now_unpaid` charges and gives back nothing for it,
   * `period_end` charges nothing before the next period.
   * Changing back to what the period is for takes a change at its end back. Takes a cancellation back as well.
   */
  change(subscriptionId: string, to: PlanChange): Promise<void>;
  /** Ends with the period that is paid, or takes that back. */
  setCancelAtPeriodEnd(subscriptionId: string, cancel: boolean): Promise<void>;
  /** Ends at once: the money was taken back. */
  cancelNow(subscriptionId: string): Promise<void>;
}
