/** Accounts of users, which are pseudonyms: made where they are missing, and remembered. */
import { findAccounts, openAccounts, platformAccount } from '../../../db/billing/accounts.ts';
import type { Tx } from '../../../db/client.ts';
import { shardOf } from '../../../workers/billing/hash-entries.ts';

const CACHED = 50_000;

export class Accounts {
  /** By user. Only what a committed transaction has made: one that is rolled back must leave nothing here. */
  readonly #known = new Map<string, string>();

  /** In a transaction of the service. Makes missing ones. */
  async allOf(tx: Tx, userIds: readonly string[]): Promise<Map<string, string>> {
    const accounts = new Map<string, string>();
    for (const userId of userIds) {
      const known = this.#known.get(userId);
      if (known !== undefined) accounts.set(userId, known);
    }
    const unknown = [...new Set(userIds)].filter((userId) => !accounts.has(userId));
    if (unknown.length === 0) return accounts;
    const found = await findAccounts(tx, unknown);
    for (const [userId, account] of found) {
      accounts.set(userId, account);
      this.#remember(userId, account);
    }
    const missing = unknown.filter((userId) => !found.has(userId));
    // Not remembered, since this transaction may still be rolled back.
    for (const [userId, account] of missing.length === 0 ? [] : await openAccounts(tx, missing))
      accounts.set(userId, account);
    return accounts;
  }

  #remember(userId: string, account: string): void {
    this.#known.set(userId, account);
    if (this.#known.size <= CACHED) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The platform's account in the shard of an account, so that what the platform pays spreads over the shards. */
export function platformAccountFor(account: string): string {
  return platformAccount(shardOf(account));
}

export function getAccount(accounts: ReadonlyMap<string, string>, userId: string): string {
  const account = accounts.get(userId);
  if (account === undefined) throw new Error('A user has no account although it was made a moment ago.');
  return account;
}
