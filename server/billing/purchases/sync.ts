/**
 * Looks at the provider and applies what it sees. Every event, a person's return from the checkout, and the job that asks after
 * quiet payments end here: each is only a hint to look.
 */

import {
  findPayment,
  findPaymentBy,
  insertPayment,
  issueSync,
  listUnsettled,
  type PaymentRow,
  touchPayment,
} from '../../../db/billing/purchases/payments.ts';
import type { PurchaseRow } from '../../../db/billing/purchases/purchases.ts';
import { findUserOfCustomer } from '../../../db/billing/stripe/customers.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { MoneyGateway, PaymentFacts } from './gateway.ts';
import type { PurchaseLog, TokenLedger } from './needs.ts';
import type { ProductRegistry } from './product.ts';
import { type Applied, applyPayment } from './settle.ts';

export type SyncParts = {
  db: Database;
  gateway: MoneyGateway;
  products: ProductRegistry;
  ledger: Pick<TokenLedger, 'settled'>;
  log: PurchaseLog;
  /** After the commit, when something of it is new. */
  onChange(payment: PaymentRow, status: PaymentRow['status'], purchase: PurchaseRow | undefined): void;
  /** A subscription has come into being, or one of its periods was paid. */
  onSubscription(subscriptionId: string): Promise<void>;
};
type Hint = { sessionId?: string; intentId?: string };

/** A payment that nothing was heard of for so long is asked after. */
const QUIET_S = 15 * 60;
const QUIET_AT_ONCE = 20;

export class PaymentSync {
  readonly #parts: SyncParts;

  constructor(parts: SyncParts) {
    this.#parts = parts;
  }

  /** @param hint what an event told of the provider's ids, where our row does not have them yet. */
  async sync(paymentId: string, hint: Hint = {}): Promise<void> {
    const { db, gateway, products } = this.#parts;
    // The number is committed before the provider is asked: a look that began later wins over one that began before.
    const payment = await db.asService((tx) => issueSync(tx, paymentId));
    if (payment === undefined || payment.provider !== gateway.provider) return;
    const { invoiceId } = payment;
    const sessionId = payment.sessionId ?? hint.sessionId ?? null;
    const intentId = payment.intentId ?? hint.intentId ?? null;
    const facts = (await gateway.readPayment({ sessionId, intentId, invoiceId })) ?? unknownAtProvider(payment);
    const applied = await db.asService((tx) => applyPayment(tx, products, payment.id, payment.syncIssued, facts));
    if (applied === undefined) return;
    await this.#announce(applied);
    if (facts.subscriptionId !== null) await this.#parts.onSubscription(facts.subscriptionId);
  }

  async bySession(sessionId: string): Promise<void> {
    const payment = await this.#find((tx, provider) => findPaymentBy(tx, provider, 'session_id', sessionId));
    if (payment !== undefined) return this.sync(payment.id);
    // Our process may have ended between the provider's answer and our note of it.
    const origin = await this.#parts.gateway.findOrigin('checkout', sessionId);
    if (origin?.paymentId) await this.#syncOrigin(origin.paymentId, { sessionId });
  }

  async byIntent(intentId: string): Promise<void> {
    const payment = await this.#find((tx, provider) => findPaymentBy(tx, provider, 'intent_id', intentId));
    if (payment !== undefined) return this.sync(payment.id);
    const origin = await this.#parts.gateway.findOrigin('intent', intentId);
    if (origin?.paymentId) await this.#syncOrigin(origin.paymentId, { intentId });
    else if (origin?.invoiceId) await this.byInvoice(origin.invoiceId);
  }

  /** Each paid period of a subscription is a purchase of its own. */
  async byInvoice(invoiceId: string): Promise<void> {
    const known = await this.#find((tx, provider) => findPaymentBy(tx, provider, 'invoice_id', invoiceId));
    if (known !== undefined) return this.sync(known.id);
    const { db, gateway, products, log } = this.#parts;
    const invoice = await gateway.readInvoice(invoiceId);
    if (invoice === undefined) return;
    if (invoice.paid && invoice.amountMinor > 0) {
      const { product, customerId, subscriptionId, amountMinor: amount, currency, period, isChange } = invoice;
      const { provider } = gateway;
      const userId = await this.#find((tx) => findUserOfCustomer(tx, provider, customerId));
      if (userId === undefined || product === null || products.find(product.type) === undefined) {
        log.info({ invoiceId }, 'a paid invoice is not about anything that is sold here');
        return;
      }
      const about = { userId, provider, productType: product.type, productId: product.id, quantity: 1, units: 1 };
      const ids = { invoiceId, subscriptionId, requestKey: null, requestDigest: null, period, isChange };
      await db.asService((tx) =>
        insertPayment(tx, { id: uuidv7(), mode: 'invoice', ...about, amount, currency, ...ids }),
      );
      const payment = await this.#find((tx) => findPaymentBy(tx, provider, 'invoice_id', invoiceId));
      if (payment !== undefined) return this.sync(payment.id);
    }
    if (invoice.subscriptionId !== null) await this.#parts.onSubscription(invoice.subscriptionId);
  }

  /** The job: webhooks can be lost, people can close the window. */
  async syncQuiet(): Promise<void> {
    const { db, gateway, log } = this.#parts;
    const quiet = await db.asService((tx) => listUnsettled(tx, gateway.provider, QUIET_S, QUIET_AT_ONCE));
    for (const paymentId of quiet) {
      try {
        await this.sync(paymentId);
      } catch (error) {
        log.warn({ error, paymentId }, 'a payment could not be asked after');
        await db.asService((tx) => touchPayment(tx, paymentId));
      }
    }
  }

  async #syncOrigin(paymentId: string, hint: Hint): Promise<void> {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(paymentId)) return;
    const payment = await this.#find((tx) => findPayment(tx, paymentId));
    if (payment !== undefined) await this.sync(payment.id, hint);
  }

  async #announce({ payment, status, purchase, changed, entries }: Applied): Promise<void> {
    const { ledger, log, onChange } = this.#parts;
    if (status === 'mismatched' && changed)
      log.error({ paymentId: payment.id }, 'what was paid is not what was asked for');
    // They stand already; waiting only lets the news follow the balance.
    await ledger
      .settled(entries)
      .catch((error: unknown) =>
        log.error({ error, paymentId: payment.id }, 'entries of a purchase are not in the ledger'),
      );
    if (changed) onChange(payment, status, purchase);
  }

  #find<T>(work: (tx: Tx, provider: MoneyGateway['provider']) => Promise<T>): Promise<T> {
    return this.#parts.db.asService((tx) => work(tx, this.#parts.gateway.provider));
  }
}

/** The provider has never heard of it, or not any more: nobody can pay it. */
function unknownAtProvider({ amount, currency, sessionId, intentId, invoiceId }: PaymentRow): PaymentFacts {
  const ids = { sessionId, intentId, invoiceId, subscriptionId: null };
  return { status: 'expired', ...ids, amountMinor: amount, currency, refundedMinor: 0, dispute: 'none', refunds: [] };
}
