/** Who a user is at the provider, and what he pays with; one operation a function. */
import type { Tx } from '../../client.ts';
import { uuidv7 } from '../../uuid.ts';
import type { Provider } from '../purchases/payments.ts';

export async function findCustomerId(tx: Tx, userId: string, provider: Provider): Promise<string | undefined> {
  const [row] = await tx.sql<{ id: string }[]>`
    select provider_customer_id as id from billing.customers where user_id = ${userId} and provider = ${provider}`;
  return row?.id;
}

export async function findUserOfCustomer(tx: Tx, provider: Provider, customerId: string): Promise<string | undefined> {
  const [row] = await tx.sql<{ id: string }[]>`
    select user_id as id from billing.customers where provider = ${provider} and provider_customer_id = ${customerId}`;
  return row?.id;
}

/** The first one stays. @returns the one that is there now. */
export async function insertCustomer(
  tx: Tx,
  userId: string,
  provider: Provider,
  customerId: string,
): Promise<string | undefined> {
  await tx.sql`
    insert into billing.customers (user_id, provider, provider_customer_id) values (${userId}, ${provider}, ${customerId})
    on conflict (user_id, provider) do nothing`;
  return findCustomerId(tx, userId, provider);
}

/** @returns the one that is there now: another gateway may have been faster. */
export async function replaceCustomer(
  tx: Tx,
  userId: string,
  provider: Provider,
  lostId: string,
  customerId: string,
): Promise<string> {
  await tx.sql`
    update billing.customers set provider_customer_id = ${customerId}
    where user_id = ${userId} and provider = ${provider} and provider_customer_id = ${lostId}`;
  const found = await findCustomerId(tx, userId, provider);
  if (found === undefined) throw new Error('A customer was replaced and is not there.');
  return found;
}

/** The number of a look at the customer that is about to begin, as in `payments`. */
export async function issueCustomerSync(tx: Tx, userId: string, provider: Provider): Promise<number> {
  const [row] = await tx.sql<{ sync: string }[]>`
    update billing.customers set sync_issued = sync_issued + 1 where user_id = ${userId} and provider = ${provider}
    returning sync_issued as sync`;
  return Number(row?.sync ?? 0);
}

/** @returns false when a later look has been applied already. */
export async function applyCustomerSync(tx: Tx, userId: string, provider: Provider, sync: number): Promise<boolean> {
  const done = await tx.sql`
    update billing.customers set sync_applied = ${sync}
    where user_id = ${userId} and provider = ${provider} and sync_applied < ${sync}`;
  return done.count === 1;
}

export type MethodRow = {
  id: string;
  providerMethodId: string;
  type: string;
  brand: string | null;
  last4: string | null;
  expMonth: number | null;
  expYear: number | null;
  isDefault: boolean;
};

/** Makes the stored methods those of `methods`: others are detached. The caller has applied its look first. */
export async function replaceMethods(
  tx: Tx,
  userId: string,
  provider: Provider,
  methods: readonly Omit<MethodRow, 'id'>[],
): Promise<void> {
  const ids = methods.map((method) => method.providerMethodId);
  await tx.sql`
    update billing.payment_methods set is_default = false,
      detached_at = case when provider_method_id = any(${ids}::text[]) then null else coalesce(detached_at, now()) end
    where user_id = ${userId} and provider = ${provider}`;
  for (const method of methods) {
    await tx.sql`
      insert into billing.payment_methods (id, user_id, provider, provider_method_id, type, brand, last4, exp_month, exp_year, is_default)
      values (${uuidv7()}, ${userId}, ${provider}, ${method.providerMethodId}, ${method.type}, ${method.brand}, ${method.last4},
        ${method.expMonth}, ${method.expYear}, ${method.isDefault})
      on conflict (provider, provider_method_id) do update set type = excluded.type, brand = excluded.brand, last4 = excluded.last4,
        exp_month = excluded.exp_month, exp_year = excluded.exp_year, is_default = excluded.is_default, detached_at = null
      where payment_methods.user_id = excluded.user_id`;
  }
}

export async function listMethods(tx: Tx, userId: string, provider: Provider): Promise<MethodRow[]> {
  return await tx.sql<MethodRow[]>`
    select id, provider_method_id as "providerMethodId", type, brand, last4, exp_month as "expMonth", exp_year as "expYear",
      is_default as "isDefault"
    from billing.payment_methods
    where user_id = ${userId} and provider = ${provider} and detached_at is null order by is_default desc, id desc`;
}
