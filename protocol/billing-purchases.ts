/** Frames of buying: offers, checkout, purchases, tickets, rights, cards. Amounts are in the smallest unit of their currency. */
import Type, { type Static } from 'typebox';
import { defineDown, defineUp } from './define.ts';
import { Empty, Locale, Nullable, PageLimit, Storable, Timestamp, Uuid } from './primitives.ts';

const AmountMinor = Type.Integer({ description: 'In the smallest unit of the currency; yen have none smaller.' });
const Currency = Type.String({ pattern: '^[a-z]{3}$', description: 'ISO 4217, lower case.' });
const ProductType = Type.String({
  pattern: '^[a-z][a-z_]{0,39}$',
  description: 'Kind of thing: `plan`, `addon_tokens`, `tickets`, and what domains add.',
});
const ProductId = Type.String({ minLength: 1, maxLength: 64, pattern: Storable });
const Before = Type.Optional(Type.String({ format: 'uuid', description: '`nextBefore` of the page before.' }));
const NextBefore = Nullable(Uuid);
const PaymentStatus = Type.Union(
  [
    Type.Literal('open'),
    Type.Literal('processing'),
    Type.Literal('succeeded'),
    Type.Literal('failed'),
    Type.Literal('expired'),
    Type.Literal('mismatched'),
  ],
  {
    description: '`mismatched`: what was paid is not what was asked for; nothing was granted, an operator looks at it.',
  },
);
const PurchaseStatus = Type.Union([
  Type.Literal('paid'),
  Type.Literal('partially_refunded'),
  Type.Literal('refunded'),
  Type.Literal('disputed'),
  Type.Literal('charged_back'),
]);

export const Offer = Type.Object({
  type: ProductType,
  id: ProductId,
  name: Type.Object({ en: Type.String(), ja: Type.String() }),
  unit: Type.Union([Type.Literal('token'), Type.Literal('ticket'), Type.Literal('thing')]),
  units: Type.Integer({ description: 'What one piece grants.' }),
  amountMinor: AmountMinor,
  currency: Currency,
  interval: Nullable(Type.Union([Type.Literal('month'), Type.Literal('year')])),
  maxQuantity: Type.Integer(),
});
export type Offer = Static<typeof Offer>;

export const products = defineUp('billing.products', {
  says: 'What is on sale. Things of other domains are shown by those.',
  body: Empty,
  reply: Type.Object({
    offers: Type.Array(Offer),
    buying: Type.Union([Type.Literal('off'), Type.Literal('offline'), Type.Literal('on')], {
      description: '`offline`: a test checkout on this machine, no real money.',
    }),
  }),
  errors: [],
});

export const checkout = defineUp('billing.checkout', {
  says: 'Begins to buy: `url` is the page of the payment provider. The same `requestKey` gives the same checkout.',
  body: Type.Object({
    type: ProductType,
    id: ProductId,
    quantity: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Default 1.' })),
    requestKey: Type.String({
      pattern: '^[A-Za-z0-9_-]{8,64}$',
      description: 'Made by the client, new for each wish to buy.',
    }),
    locale: Type.Optional(Locale),
  }),
  reply: Type.Object({
    paymentId: Uuid,
    status: PaymentStatus,
    url: Nullable(Type.String({ description: 'Null when this checkout is over.' })),
    expiresAt: Nullable(Timestamp),
  }),
  errors: [
    'billing.purchases_off',
    'billing.product_not_found',
    'billing.already_owned',
    'billing.already_subscribed',
    'billing.idempotency_conflict',
    'billing.too_many_checkouts',
    'billing.provider_unavailable',
    'billing.provider_rejected',
  ],
});

export const portal = defineUp('billing.portal', {
  says: 'The page of the payment provider where cards, invoices and the paid plan are managed.',
  body: Type.Object({ locale: Type.Optional(Locale) }),
  reply: Type.Object({ url: Type.String() }),
  errors: ['billing.purchases_off', 'billing.no_customer', 'billing.provider_unavailable', 'billing.provider_rejected'],
});

export const Purchase = Type.Object({
  purchaseId: Uuid,
  type: ProductType,
  itemId: ProductId,
  quantity: Type.Integer(),
  amountMinor: AmountMinor,
  currency: Currency,
  units: Type.Integer({ description: 'What it granted: tokens, tickets, or 1 for a thing.' }),
  unitsRevoked: Type.Integer({ description: 'How much of that is taken back.' }),
  refundedMinor: AmountMinor,
  status: PurchaseStatus,
  createdAt: Timestamp,
});
export type Purchase = Static<typeof Purchase>;

export const purchases = defineUp('billing.purchases', {
  says: 'What the account has bought, newest first.',
  body: Type.Object({ before: Before, limit: PageLimit(100) }),
  reply: Type.Object({ purchases: Type.Array(Purchase), nextBefore: NextBefore }),
  errors: [],
});

export const TicketTransaction = Type.Object({
  transactionId: Uuid,
  type: Type.Union([Type.Literal('purchase'), Type.Literal('consume'), Type.Literal('refund'), Type.Literal('grant')]),
  amount: Type.Integer({ description: 'Below 0 where tickets went.' }),
  purchaseId: Nullable(Uuid),
  target: Nullable(Type.Object({ type: Type.String(), id: Type.String() })),
  createdAt: Timestamp,
});
export type TicketTransaction = Static<typeof TicketTransaction>;

export const tickets = defineUp('billing.tickets', {
  says: 'The balance of tickets and what moved it, newest first.',
  body: Type.Object({ before: Before, limit: PageLimit(100) }),
  reply: Type.Object({
    balance: Type.Integer({ description: 'Below 0 only when spent tickets had to go back with their money.' }),
    transactions: Type.Array(TicketTransaction),
    nextBefore: NextBefore,
  }),
  errors: [],
});

export const Entitlement = Type.Object({
  entitlementId: Uuid,
  type: ProductType,
  itemId: ProductId,
  source: Type.Union([Type.Literal('purchase'), Type.Literal('grant'), Type.Literal('restore')]),
  purchaseId: Nullable(Uuid),
  grantedAt: Timestamp,
  revokedAt: Nullable(Timestamp),
});
export type Entitlement = Static<typeof Entitlement>;

export const entitlements = defineUp('billing.entitlements', {
  says: 'The rights of the account, newest first; with `validOnly` those that hold.',
  body: Type.Object({ validOnly: Type.Optional(Type.Boolean()), before: Before, limit: PageLimit(100) }),
  reply: Type.Object({ entitlements: Type.Array(Entitlement), nextBefore: NextBefore }),
  errors: [],
});

export const PaymentMethod = Type.Object({
  paymentMethodId: Uuid,
  type: Type.String(),
  brand: Nullable(Type.String()),
  last4: Nullable(Type.String()),
  expMonth: Nullable(Type.Integer()),
  expYear: Nullable(Type.Integer()),
  isDefault: Type.Boolean(),
});
export type PaymentMethod = Static<typeof PaymentMethod>;

export const paymentMethods = defineUp('billing.payment_methods', {
  says: 'The cards of the account, as far as one recognises them; they are changed in the portal.',
  body: Empty,
  reply: Type.Object({ methods: Type.Array(PaymentMethod) }),
  errors: [],
});

export const priceTiers = defineUp('billing.price_tiers', {
  says: 'The prices that a creator may put on what he sells.',
  body: Empty,
  reply: Type.Object({
    tiers: Type.Array(Type.Object({ code: Type.String(), amountMinor: AmountMinor, currency: Currency })),
  }),
  errors: [],
});

export const purchasePush = defineDown('billing.purchase', {
  says: 'A payment of the account, or what was bought by it, has changed. Balances, tickets and rights have changed with it.',
  body: Type.Object({
    paymentId: Uuid,
    status: PaymentStatus,
    type: ProductType,
    itemId: ProductId,
    purchase: Nullable(Purchase),
  }),
});
