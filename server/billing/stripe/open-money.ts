/**
 * Puts buying together: products, tickets and rights always; checkout, webhook and refunds when the settings name a provider.
 * Wiring only. With STRIPE_MODE=offline a local server speaks Stripe's protocol, and everything else stays the same.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type Stripe from 'stripe';
import type { Provider } from '../../../db/billing/purchases/payments.ts';
import { findUserOfCustomer } from '../../../db/billing/stripe/customers.ts';
import { databaseNow } from '../../../db/billing/stripe/events.ts';
import type { Database } from '../../../db/client.ts';
import type { Push } from '../../../protocol/down.ts';
import type { Clock } from '../../clock.ts';
import type { Chore } from '../../housekeeping.ts';
import type { Route } from '../../http.ts';
import type { Lifecycle } from '../../lifecycle.ts';
import { addonTokenProduct } from '../purchases/addon-tokens.ts';
import { Checkouts } from '../purchases/checkout.ts';
import { Customers } from '../purchases/customers.ts';
import type { PurchaseLog, TokenLedger } from '../purchases/needs.ts';
import { ProductRegistry } from '../purchases/product.ts';
import { Refunds } from '../purchases/refunds.ts';
import { type Buying, PurchaseService } from '../purchases/service.ts';
import { shownPurchase } from '../purchases/shown.ts';
import type { SubscriptionFacts } from '../purchases/subscription-gateway.ts';
import { PaymentSync } from '../purchases/sync.ts';
import { Entitlements } from '../tickets/entitlements.ts';
import { ticketProduct } from '../tickets/ticket-product.ts';
import { Tickets } from '../tickets/tickets.ts';
import { createStripe } from './client.ts';
import { StripeGateway } from './gateway.ts';
import { EventInbox } from './inbox.ts';
import { type OfflineStripe, startOfflineStripe } from './offline/server.ts';
import { returnRoute } from './return-page.ts';
import { StripeSubscriptions } from './subscriptions.ts';
import { webhookRoute } from './webhook.ts';

export type MoneyConfig = Readonly<{
  stripeMode: 'stripe' | 'offline';
  stripeSecretKey: string | undefined;
  stripeWebhookSecret: string | undefined;
  stripeApiBase: string | undefined;
  dataDir: string;
  publicOrigins: readonly string[];
}>;
type Parts = {
  config: MoneyConfig;
  db: Database;
  ledger: TokenLedger;
  clock: Clock;
  log: PurchaseLog;
  lifecycle: Pick<Lifecycle, 'add'>;
  tell(userId: string, push: Push): void;
};
/** What a subscription is like at the provider, looked at when the database's clock showed `seenAt`; a later look wins. */
export type SubscriptionListener = (userId: string, facts: SubscriptionFacts, seenAt: Date) => Promise<void>;
/** The provider, where there is one: other parts of billing take what they need from it. */
export type StripeParts = {
  stripe: Stripe;
  provider: Provider;
  subscriptions: StripeSubscriptions;
  /** Looks at a subscription and tells the listeners; for one that nothing was heard of. */
  syncSubscription(subscriptionId: string): Promise<void>;
  /** For events about what is not bought here: accounts of creators, transfers. */
  inbox: EventInbox;
  offline: OfflineStripe | undefined;
  /** Where people come back to. */
  homeUrl(): string;
};
export type Money = Awaited<ReturnType<typeof openMoney>>;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

export async function openMoney(parts: Parts) {
  const { config, db, ledger, log } = parts;
  const tickets = new Tickets(db);
  const entitlements = new Entitlements(db);
  const products = new ProductRegistry();
  products.add(addonTokenProduct(ledger));
  products.add(ticketProduct(tickets));
  const place = { url: config.publicOrigins[0] ?? '' };
  const listeners: SubscriptionListener[] = [];
  const at = await findProvider(parts);
  const provider = at && connect(parts, at, products, listeners, () => place.url);
  const purchases = new PurchaseService({ db, products, log, buying: provider?.buying });
  return {
    purchases,
    products,
    tickets,
    entitlements,
    stripe: provider?.parts,
    onSubscription: (listener: SubscriptionListener) => void listeners.push(listener),
    routes: (): Route[] => [
      ...(provider === undefined ? [] : [provider.webhook]),
      returnRoute((paymentId) => purchases.lookAt(paymentId)),
    ],
    chores: (): Chore[] => provider?.chores ?? [],
    /** The server listens: the offline server learns where events go, checkouts where people come back to. */
    listening(url: string): void {
      if (place.url === '') place.url = url;
      at?.offline?.sendEventsTo(`${url}/stripe/webhook`);
    },
  };
}

type ProviderPlace = {
  provider: Provider;
  stripe: Stripe;
  secrets: readonly string[];
  livemode: boolean;
  offline: OfflineStripe | undefined;
};

async function findProvider({ config, clock, log, lifecycle }: Parts): Promise<ProviderPlace | undefined> {
  const { stripeMode, stripeSecretKey: secretKey, stripeWebhookSecret, stripeApiBase: apiBase, dataDir } = config;
  if (stripeMode === 'offline') {
    const key = `sk_test_${randomBytes(12).toString('hex')}`;
    const file = join(dataDir, 'offline-stripe.json');
    const offline = lifecycle.add(
      'offline payments',
      await startOfflineStripe({ secretKey: key, clock, file }),
      (running) => running.close(),
    );
    log.warn({ url: offline.url }, 'payments are tried offline: test pages of this machine, no real money');
    const stripe = createStripe({ secretKey: key, apiBase: offline.url });
    // The endpoint's address is told when the server listens.
    return { provider: 'stripe_offline', stripe, secrets: [offline.sendEventsTo('')], livemode: false, offline };
  }
  if (secretKey === undefined || stripeWebhookSecret === undefined) return undefined;
  const secrets = stripeWebhookSecret.split(',').map((secret) => secret.trim());
  const livemode = /^(sk|rk)_live_/.test(secretKey);
  return { provider: 'stripe', stripe: createStripe({ secretKey, apiBase }), secrets, livemode, offline: undefined };
}

function connect(
  { db, ledger, clock, log, lifecycle, tell }: Parts,
  { provider, stripe, secrets, livemode, offline }: ProviderPlace,
  products: ProductRegistry,
  listeners: readonly SubscriptionListener[],
  baseUrl: () => string,
) {
  const gateway = new StripeGateway(stripe, provider);
  const subscriptions = new StripeSubscriptions(stripe, provider);
  const customers = new Customers(db, gateway);
  const onSubscription = async (subscriptionId: string): Promise<void> => {
    const seenAt = await db.asService((tx) => databaseNow(tx));
    const facts = await subscriptions.read(subscriptionId);
    if (facts === undefined) return;
    const userId = await db.asService((tx) => findUserOfCustomer(tx, provider, facts.customerId));
    if (userId === undefined) return;
    for (const listener of listeners) await listener(userId, facts, seenAt);
  };
  const sync = new PaymentSync({
    db,
    gateway,
    products,
    ledger,
    log,
    onSubscription,
    onChange({ id: paymentId, userId, productType: type, productId: itemId }, status, purchase) {
      const shown = purchase === undefined ? null : shownPurchase(purchase);
      tell(userId, { type: 'billing.purchase', body: { paymentId, status, type, itemId, purchase: shown } });
    },
  });
  const refunds = new Refunds({ db, gateway, log, sync: (paymentId) => sync.sync(paymentId) });
  const returnUrl = (paymentId: string) => `${baseUrl()}/stripe/return?payment=${paymentId}`;
  const checkouts = new Checkouts({ db, gateway, products, customers, returnUrl });
  const inbox = lifecycle.add('payment events', new EventInbox(db, provider, log), (running) => running.stop());
  inbox.on('checkout', (id) => sync.bySession(id));
  inbox.on('intent', (id) => sync.byIntent(id));
  inbox.on('invoice', (id) => sync.byInvoice(id));
  inbox.on('subscription', onSubscription);
  inbox.on('customer', (id) => customers.syncMethods(id));
  const kind = offline === undefined ? 'on' : 'offline';
  const homeUrl = () => `${baseUrl()}/stripe/return`;
  return {
    buying: { kind, gateway, customers, checkouts, refunds, sync, homeUrl } satisfies Buying as Buying,
    parts: {
      stripe,
      provider,
      subscriptions,
      syncSubscription: onSubscription,
      inbox,
      offline,
      homeUrl,
    } satisfies StripeParts as StripeParts,
    webhook: webhookRoute(inbox, clock, log, { secrets, livemode }),
    chores: [
      { name: 'payment events', everyMs: 5 * SECOND_MS, work: () => inbox.work() },
      { name: 'refunds', everyMs: 10 * SECOND_MS, work: () => refunds.sendDue() },
      { name: 'quiet payments', everyMs: 5 * MINUTE_MS, work: () => sync.syncQuiet() },
      { name: 'old payment events', everyMs: 24 * 60 * MINUTE_MS, work: () => inbox.forgetOld() },
    ] satisfies Chore[],
  };
}
