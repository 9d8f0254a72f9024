/** Buying as people see it: offers, checkout, portal, what was bought. Without a provider everything can be read and nothing bought. */
import { listPriceTiers, type PriceTierRow } from '../../../db/billing/purchases/addons.ts';
import { findPayment } from '../../../db/billing/purchases/payments.ts';
import {
  findPurchase,
  findPurchaseFaults,
  listPurchases,
  type PurchaseFault,
  type PurchaseRow,
  type PurchaseSearch,
} from '../../../db/billing/purchases/purchases.ts';
import { countOverdueRefunds } from '../../../db/billing/purchases/refunds.ts';
import type { MethodRow } from '../../../db/billing/stripe/customers.ts';
import { countOverdueEvents } from '../../../db/billing/stripe/events.ts';
import type { Database } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import type { Checkout, CheckoutRequest, Checkouts } from './checkout.ts';
import type { Customers } from './customers.ts';
import { isLostCustomer, type MoneyGateway } from './gateway.ts';
import type { PurchaseLog } from './needs.ts';
import type { Offer, ProductRegistry, ProductType } from './product.ts';
import { reachProvider } from './provider-failure.ts';
import type { Refunds } from './refunds.ts';
import type { PaymentSync } from './sync.ts';

/** What is there when a provider is set up. */
export type Buying = {
  kind: 'offline' | 'on';
  gateway: MoneyGateway;
  customers: Customers;
  checkouts: Checkouts;
  refunds: Refunds;
  sync: PaymentSync;
  /** Where people come back to from the portal. */
  homeUrl(): string;
};
export type OfferOf = Offer & Pick<ProductType, 'type' | 'unit' | 'maxQuantity'>;

const REPORT_ROWS = 100;
const OVERDUE_S = 300;
/** Anybody may call the address that people come back to. */
const MAX_LOOKS = 20;

export class PurchaseService {
  readonly products: ProductRegistry;
  readonly #db: Database;
  readonly #log: PurchaseLog;
  readonly #buying: Buying | undefined;
  readonly #lookedAt = new Set<string>();

  constructor(parts: { db: Database; products: ProductRegistry; log: PurchaseLog; buying: Buying | undefined }) {
    this.#db = parts.db;
    this.products = parts.products;
    this.#log = parts.log;
    this.#buying = parts.buying;
  }

  get kind(): 'off' | 'offline' | 'on' {
    return this.#buying?.kind ?? 'off';
  }

  /** @throws AppError `billing.purchases_off` */
  get buying(): Buying {
    if (this.#buying === undefined) throw new AppError('billing.purchases_off');
    return this.#buying;
  }

  offers(userId: string): Promise<OfferOf[]> {
    return this.#db.asUser(userId, async (tx) => {
      const found: OfferOf[] = [];
      for (const product of this.products.all()) {
        const { type, unit, maxQuantity } = product;
        for (const offer of await product.offers(tx, userId)) found.push({ ...offer, type, unit, maxQuantity });
      }
      return found;
    });
  }

  /** The prices that creators may put on what they sell (003-R48). */
  priceTiers(userId: string): Promise<PriceTierRow[]> {
    return this.#db.asUser(userId, (tx) => listPriceTiers(tx));
  }

  /** @throws AppError of `Checkouts.open`, or `billing.purchases_off`. */
  async checkout(userId: string, request: CheckoutRequest): Promise<Checkout> {
    return this.buying.checkouts.open(userId, request);
  }

  /** @throws AppError `billing.no_customer`, `billing.purchases_off`, or of the provider. */
  async portal(userId: string, locale: 'en' | 'ja'): Promise<string> {
    const { customers, gateway, homeUrl } = this.buying;
    const customerId = await customers.find(userId);
    if (customerId === undefined) throw new AppError('billing.no_customer');
    return reachProvider(async () => {
      try {
        return await gateway.openPortal(customerId, locale, `${homeUrl()}?lang=${locale}`);
      } catch (error) {
        if (isLostCustomer(error)) throw new AppError('billing.no_customer');
        throw error;
      }
    });
  }

  async methods(userId: string): Promise<MethodRow[]> {
    return (await this.#buying?.customers.methods(userId)) ?? [];
  }

  async page(
    userId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ rows: PurchaseRow[]; nextBefore: string | null }> {
    // The filter beside row level security: an index, and an answer that stays right if the policy ever shows more.
    return this.#db.asUser(userId, (tx) => pageOf(limit, (more) => listPurchases(tx, { userId, before, limit: more })));
  }

  /** For operators. The caller has checked the role. */
  search(adminId: string, search: PurchaseSearch): Promise<{ rows: PurchaseRow[]; nextBefore: string | null }> {
    return this.#db.asAdmin(adminId, (tx) =>
      pageOf(search.limit, (more) => listPurchases(tx, { ...search, limit: more })),
    );
  }

  /** For operators. @throws AppError `billing.purchase_not_found` */
  async get(adminId: string, purchaseId: string): Promise<PurchaseRow> {
    const found = await this.#db.asAdmin(adminId, (tx) => findPurchase(tx, purchaseId));
    if (found === undefined) throw new AppError('billing.purchase_not_found');
    return found;
  }

  /** Somebody came back from the checkout: looks whether it was paid. Never waits, never fails. */
  lookAt(paymentId: string): void {
    const buying = this.#buying;
    if (buying === undefined || this.#lookedAt.has(paymentId) || this.#lookedAt.size >= MAX_LOOKS) return;
    this.#lookedAt.add(paymentId);
    const look = async () => {
      const payment = await this.#db.asService((tx) => findPayment(tx, paymentId));
      if (payment?.status === 'open' || payment?.status === 'processing') await buying.sync.sync(paymentId);
    };
    look()
      .catch((error: unknown) => this.#log.warn({ error, paymentId }, 'a payment could not be looked at'))
      .finally(() => this.#lookedAt.delete(paymentId));
  }

  /** What the provider has told, or was asked for, and what has not been dealt with although there was time. */
  overdue(): Promise<{ events: number; oldestEventAt: Date | null; refunds: number }> {
    return this.#db.asService(async (tx) => {
      const [events, refunds] = await Promise.all([
        countOverdueEvents(tx, OVERDUE_S),
        countOverdueRefunds(tx, OVERDUE_S),
      ]);
      return { events: events.count, oldestEventAt: events.oldest, refunds };
    });
  }

  /** Purchases that do not agree with their payments. Empty when all do. */
  verify(): Promise<PurchaseFault[]> {
    return this.#db.asService((tx) => findPurchaseFaults(tx, REPORT_ROWS));
  }
}

async function pageOf(
  limit: number,
  list: (limit: number) => Promise<PurchaseRow[]>,
): Promise<{ rows: PurchaseRow[]; nextBefore: string | null }> {
  const found = await list(limit + 1);
  const rows = found.slice(0, limit);
  return { rows, nextBefore: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}
