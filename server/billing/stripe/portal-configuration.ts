/** What people may do in the provider's portal: cards, invoices, cancelling. Plans are changed here, where their rules are. */
import type Stripe from 'stripe';
import { ask } from './client.ts';

const OURS = { tsumugi: 'portal_1' } as const;

export class PortalConfiguration {
  readonly #stripe: Stripe;
  #found: Promise<string> | undefined;

  constructor(stripe: Stripe) {
    this.#stripe = stripe;
  }

  /** Found or made once. */
  id(): Promise<string> {
    this.#found ??= this.#findOrMake().catch((error: unknown) => {
      this.#found = undefined;
      throw error;
    });
    return this.#found;
  }

  async #findOrMake(): Promise<string> {
    const list = await ask(this.#stripe.billingPortal.configurations.list({ active: true, limit: 100 }));
    const found = list.data.find(({ metadata }) => metadata?.['tsumugi'] === OURS.tsumugi);
    if (found !== undefined) return found.id;
    const made = await ask(
      this.#stripe.billingPortal.configurations.create({
        features: {
          payment_method_update: { enabled: true },
          invoice_history: { enabled: true },
          subscription_cancel: { enabled: true, mode: 'at_period_end' },
        },
        metadata: OURS,
      }),
    );
    return made.id;
  }
}
