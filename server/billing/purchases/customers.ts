/** People as customers of the provider: made when first needed; what they pay with is copied from there. */
import {
  applyCustomerSync,
  findCustomerId,
  findUserOfCustomer,
  insertCustomer,
  issueCustomerSync,
  listMethods,
  type MethodRow,
  replaceCustomer,
  replaceMethods,
} from '../../../db/billing/stripe/customers.ts';
import type { Database } from '../../../db/client.ts';
import type { MoneyGateway } from './gateway.ts';

export class Customers {
  readonly #db: Database;
  readonly #gateway: MoneyGateway;

  constructor(db: Database, gateway: MoneyGateway) {
    this.#db = db;
    this.#gateway = gateway;
  }

  /** Two gateways that make one at the same moment get the same one from the provider: the request is idempotent by the user. */
  async idOf(userId: string): Promise<string> {
    const found = await this.find(userId);
    if (found !== undefined) return found;
    const made = await this.#gateway.createCustomer(userId);
    const kept = await this.#db.asService((tx) => insertCustomer(tx, userId, this.#gateway.provider, made));
    if (kept === undefined) throw new Error('A customer was stored and is not there.');
    return kept;
  }

  /** Another one for a customer that the provider does not have any more. */
  async replace(userId: string, lostId: string): Promise<string> {
    const made = await this.#gateway.createCustomer(userId, lostId);
    return this.#db.asService((tx) => replaceCustomer(tx, userId, this.#gateway.provider, lostId, made));
  }

  find(userId: string): Promise<string | undefined> {
    return this.#db.asService((tx) => findCustomerId(tx, userId, this.#gateway.provider));
  }

  /** @returns whose customer it is, when anything was done. */
  async syncMethods(customerId: string): Promise<string | undefined> {
    const { provider } = this.#gateway;
    const issued = await this.#db.asService(async (tx) => {
      const userId = await findUserOfCustomer(tx, provider, customerId);
      return userId === undefined ? undefined : { userId, sync: await issueCustomerSync(tx, userId, provider) };
    });
    if (issued === undefined) return undefined;
    const { userId, sync } = issued;
    const methods = (await this.#gateway.readMethods(customerId)) ?? [];
    await this.#db.asService(async (tx) => {
      if (await applyCustomerSync(tx, userId, provider, sync)) await replaceMethods(tx, userId, provider, methods);
    });
    return userId;
  }

  methods(userId: string): Promise<MethodRow[]> {
    return this.#db.asUser(userId, (tx) => listMethods(tx, userId, this.#gateway.provider));
  }
}
