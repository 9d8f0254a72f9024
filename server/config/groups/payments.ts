/** Settings: who takes the money. */
import { oneOf, text, url } from '../setting.ts';

export const payments = {
  stripeMode: oneOf('STRIPE_MODE', ['stripe', 'offline'], {
    default: 'stripe',
    says: '`stripe` sells through Stripe when there is a key, else nothing is sold; `offline` tries the flow on this machine: test pages, no real money. Not in production.',
  }),
  stripeSecretKey: text('STRIPE_SECRET_KEY', {
    default: undefined,
    secret: true,
    says: 'Secret or restricted key of Stripe. Without it nothing can be bought.',
    example: 'sk_live_…',
  }),
  stripeWebhookSecret: text('STRIPE_WEBHOOK_SECRET', {
    default: undefined,
    secret: true,
    says: 'Signing secret of the endpoint `/stripe/webhook`; several separated by commas while it is changed.',
    example: 'whsec_…',
  }),
  stripeApiBase: url('STRIPE_API_BASE', ['http', 'https'], {
    default: undefined,
    defaultText: 'api.stripe.com',
    says: 'Another server that speaks Stripe’s protocol; scheme, host and port.',
    example: 'http://127.0.0.1:12111',
  }),
} as const;
