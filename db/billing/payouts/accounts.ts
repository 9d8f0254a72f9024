/** Where creators are paid. One operation a function. */
import type { Tx } from '../../client.ts';

export type PayoutAccountRow = {
  accountId: string;
  creatorId: string;
  userId: string;
  provider: 'stripe' | 'stripe_offline';
  providerAccountId: string | null;
  country: string;
  bankLabelEnc: Buffer | null;
  detailsSubmitted: boolean;
  payoutsEnabled: boolean;
  requirementsDue: number;
  disabledReason: string | null;
  bankFailureCode: string | null;
  isDefault: boolean;
  createdAtMs: number;
  deletedAtMs: number | null;
};

const columns = (tx: Tx) => tx.sql`
  id as "accountId", creator_id as "creatorId", user_id as "userId", provider, provider_account_id as "providerAccountId", country,
  bank_label_enc as "bankLabelEnc", details_submitted as "detailsSubmitted", payouts_enabled as "payoutsEnabled",
  requirements_due as "requirementsDue", disabled_reason as "disabledReason", bank_failure_code as "bankFailureCode",
  is_default as "isDefault", (extract(epoch from created_at) * 1000)::float8 as "createdAtMs",
  (extract(epoch from deleted_at) * 1000)::float8 as "deletedAtMs"`;

/** Those that are not removed, oldest first. */
export async function listAccounts(tx: Tx, creatorId: string): Promise<PayoutAccountRow[]> {
  return tx.sql<PayoutAccountRow[]>`
    select ${columns(tx)} from billing.payout_accounts where creator_id = ${creatorId} and deleted_at is null order by created_at, id`;
}

export async function findAccount(tx: Tx, accountId: string): Promise<PayoutAccountRow | undefined> {
  const [row] = await tx.sql<
    PayoutAccountRow[]
  >`select ${columns(tx)} from billing.payout_accounts where id = ${accountId}`;
  return row;
}

export async function findByProviderId(
  tx: Tx,
  provider: string,
  providerAccountId: string,
): Promise<PayoutAccountRow | undefined> {
  const [row] = await tx.sql<PayoutAccountRow[]>`
    select ${columns(tx)} from billing.payout_accounts where provider = ${provider} and provider_account_id = ${providerAccountId}`;
  return row;
}

export async function insertAccount(
  tx: Tx,
  row: Pick<PayoutAccountRow, 'accountId' | 'creatorId' | 'userId' | 'provider' | 'country' | 'isDefault'>,
): Promise<void> {
  await tx.sql`
    insert into billing.payout_accounts (id, creator_id, user_id, provider, country, is_default)
    values (${row.accountId}, ${row.creatorId}, ${row.userId}, ${row.provider}, ${row.country}, ${row.isDefault})`;
}

export async function setProviderId(tx: Tx, accountId: string, providerAccountId: string): Promise<void> {
  await tx.sql`
    update billing.payout_accounts set provider_account_id = ${providerAccountId}, updated_at = now()
    where id = ${accountId} and provider_account_id is null`;
}

export type ProviderState = Pick<
  PayoutAccountRow,
  'detailsSubmitted' | 'payoutsEnabled' | 'requirementsDue' | 'disabledReason'
> & {
  bankLabelEnc: Buffer | null;
  /** When the look at the provider began: of two looks, the later one counts. */
  seenAtMs: number;
};

export async function updateProviderState(tx: Tx, accountId: string, state: ProviderState): Promise<void> {
  await tx.sql`
    update billing.payout_accounts set details_submitted = ${state.detailsSubmitted}, payouts_enabled = ${state.payoutsEnabled},
      requirements_due = ${state.requirementsDue}, disabled_reason = ${state.disabledReason}, bank_label_enc = ${state.bankLabelEnc},
      provider_state_at = ${new Date(state.seenAtMs)}, updated_at = now()
    where id = ${accountId} and (provider_state_at is null or provider_state_at <= ${new Date(state.seenAtMs)})`;
}

export async function setBankFailure(tx: Tx, accountId: string, code: string | null): Promise<void> {
  await tx.sql`update billing.payout_accounts set bank_failure_code = ${code}, updated_at = now() where id = ${accountId}`;
}

/** Two updates, the old default first: the unique index sees each row as it is changed. The caller holds the creator's lock. */
export async function setDefault(tx: Tx, creatorId: string, accountId: string | null): Promise<void> {
  await tx.sql`update billing.payout_accounts set is_default = false, updated_at = now() where creator_id = ${creatorId} and is_default`;
  if (accountId !== null)
    await tx.sql`update billing.payout_accounts set is_default = true, updated_at = now() where id = ${accountId} and deleted_at is null`;
}

export async function deleteAccount(tx: Tx, accountId: string): Promise<void> {
  await tx.sql`
    update billing.payout_accounts set is_default = false, deleted_at = now(), updated_at = now() where id = ${accountId} and deleted_at is null`;
}

/** Payouts that are on their way to this account, whose outcome is not known. */
export async function countRunningTransfers(tx: Tx, accountId: string): Promise<number> {
  const [row] = await tx.sql<{ count: number }[]>`
    select count(*)::int as count from billing.payouts where payout_account_id = ${accountId} and status = 'transferring'`;
  return row?.count ?? 0;
}
