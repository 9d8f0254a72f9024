/** Begins a payment: what is bought and its price are fixed here, before the provider is asked, and never by the client. */
import { createHash } from 'node:crypto';
import {
  countOpenPayments,
  findPaymentByRequest,
  insertPayment,
  lockBuyer,
  type PaymentRow,
  setSession,
} from '../../../db/billing/purchases/payments.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AppError } from '../../errors.ts';
import type { Customers } from './customers.ts';
import { isLostCustomer, type MoneyGateway } from './gateway.ts';
import type { Price, ProductRegistry, ProductType } from './product.ts';
import { reachProvider } from './provider-failure.ts';

export type CheckoutRequest = {
  type: string;
  id: string;
  quantity: number;
  /** The client's own: the same request again gets the same checkout. */
  requestKey: string;
  locale: 'en' | 'ja';
};
export type Checkout = { paymentId: string; status: PaymentRow['status']; url: string | null; expiresAt: Date | null };

type Parts = {
  db: Database;
  gateway: MoneyGateway;
  products: ProductRegistry;
  customers: Customers;
  /** Where the person comes back to. */
  returnUrl(paymentId: string): string;
};

/** Checkouts that one person may have begun and neither paid nor let expire. */
const MAX_OPEN = 30;

export class Checkouts {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @throws AppError `billing.product_not_found`, `billing.already_owned`, `billing.idempotency_conflict`,
   * `billing.too_many_checkouts`, `billing.provider_unavailable`, `billing.provider_rejected`, `protocol.invalid_body`.
   */
  async open(userId: string, request: CheckoutRequest): Promise<Checkout> {
    const { db, products } = this.#parts;
    const product = products.find(request.type);
    if (product === undefined) throw new AppError('billing.product_not_found');
    if (request.quantity > product.maxQuantity)
      throw AppError.invalid('quantity', `at most ${product.maxQuantity} for ${product.type}`);
    const digest = digestOf(request);
    const { payment, price } = await db.asService(async (tx) => {
      const before = await findPaymentByRequest(tx, userId, request.requestKey);
      const price = await this.#priceFor(tx, product, userId, request, before);
      return { payment: before ?? (await this.#begin(tx, product, userId, request, digest, price)), price };
    });
    if (payment.requestDigest === null || !digest.equals(payment.requestDigest))
      throw new AppError('billing.idempotency_conflict');
    if (payment.status !== 'open' || payment.sessionUrl !== null) return toCheckout(payment);
    return this.#openSession(payment, price, request.locale);
  }

  /** Of a payment that was begun already the price stands; only its name is asked for. */
  async #priceFor(
    tx: Tx,
    product: ProductType,
    userId: string,
    request: CheckoutRequest,
    before: PaymentRow | undefined,
  ): Promise<Price> {
    if (before !== undefined && (before.sessionUrl !== null || before.status !== 'open')) return storedPrice(before);
    const price = await product.priceOf(tx, request.id, userId);
    if (price === undefined) throw new AppError('billing.product_not_found');
    return price;
  }

  async #begin(
    tx: Tx,
    product: ProductType,
    userId: string,
    { type, id, quantity, requestKey }: CheckoutRequest,
    requestDigest: Buffer,
    price: Price,
  ): Promise<PaymentRow> {
    await lockBuyer(tx, userId);
    // Another device, or another gateway, may have begun the same request in the meantime.
    const begun = await findPaymentByRequest(tx, userId, requestKey);
    if (begun !== undefined) return begun;
    if ((await countOpenPayments(tx, userId)) >= MAX_OPEN) throw new AppError('billing.too_many_checkouts');
    const about = { productType: type, productId: id, quantity, units: price.units * quantity };
    const money = { amount: price.amountMinor * quantity, currency: price.currency };
    const ids = { requestKey, requestDigest, invoiceId: null, subscriptionId: null };
    const { provider } = this.#parts.gateway;
    await insertPayment(tx, { id: uuidv7(), userId, provider, mode: product.mode, ...about, ...money, ...ids });
    const payment = await findPaymentByRequest(tx, userId, requestKey);
    if (payment === undefined) throw new Error('A payment was stored and is not there.');
    return payment;
  }

  async #openSession(payment: PaymentRow, price: Price, locale: 'en' | 'ja'): Promise<Checkout> {
    const { db, gateway, customers, returnUrl } = this.#parts;
    const { id, userId, quantity, currency, amount, productType, productId } = payment;
    const open = (customerId: string) =>
      gateway.openCheckout({
        paymentId: id,
        customerId,
        mode: payment.mode === 'subscription' ? 'subscription' : 'payment',
        name: price.name[locale],
        unitAmountMinor: amount / quantity,
        currency,
        quantity,
        interval: price.interval,
        product: { type: productType, id: productId },
        locale,
        returnUrl: `${returnUrl(id)}&lang=${locale}`,
      });
    const session = await reachProvider(async () => {
      const customerId = await customers.idOf(userId);
      try {
        return await open(customerId);
      } catch (error) {
        if (!isLostCustomer(error)) throw error;
        return await open(await customers.replace(userId, customerId));
      }
    });
    await db.asService((tx) => setSession(tx, id, session));
    return { paymentId: id, status: 'open', url: session.url, expiresAt: new Date(session.expiresAtMs) };
  }
}

function digestOf({ type, id, quantity, locale }: CheckoutRequest): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(['billing.checkout', type, id, quantity, locale]))
    .digest();
}

function toCheckout({ id, status, sessionUrl, expiresAt }: PaymentRow): Checkout {
  return { paymentId: id, status, url: status === 'open' ? sessionUrl : null, expiresAt };
}

function storedPrice({ amount, quantity, currency, units }: PaymentRow): Price {
  const name = { en: '', ja: '' };
  return { amountMinor: amount / quantity, currency, units: units / quantity, name, interval: null };
}
