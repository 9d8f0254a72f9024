/**
 * Adds entries to the chains inside a transaction of the caller. Locks are always taken in one order (ends of chains by shard,
 * then balances by account, then usage by user), so that gateways which settle at the same time never wait in a circle.
 */
import { addToBalances } from '../../db/billing/accounts.ts';
import { type EntryRef, findByKeys, insertEntries, lockHeads, moveHeads } from '../../db/billing/ledger.ts';
import { addUsage, type UsageDayRow } from '../../db/billing/usage.ts';
import type { Tx } from '../../db/client.ts';
import { HASH_VERSION } from '../../workers/billing/hash-entries.ts';
import type { TaskRunner } from '../../workers/runner.ts';
import type { ChainHead, HashedEntry, LedgerDraft } from '../../workers/tasks.ts';
import { ASSET, movementsOf } from './settlement.ts';

export type Appended = {
  /** The entry of each idempotency key, whether made now or before. */
  entries: Map<string, EntryRef>;
  /** New balances of the accounts that were moved. */
  balances: Map<string, number>;
};

export class LedgerWriter {
  readonly #runner: TaskRunner;

  constructor(runner: TaskRunner) {
    this.#runner = runner;
  }

  /**
   * Idempotent by key. All drafts have the asset `token`. Two rounds to the database, whatever the number of entries.
   * @param usageOf usage to count for the drafts that are really new.
   */
  async append(
    tx: Tx,
    drafts: readonly LedgerDraft[],
    usageOf: (fresh: readonly LedgerDraft[]) => UsageDayRow[] = () => [],
  ): Promise<Appended> {
    const shards = [...new Set(drafts.map((draft) => draft.shard))].sort((a, b) => a - b);
    const keys = drafts.map((draft) => draft.idempotencyKey);
    // Both go out in one write. The second is evaluated with the locks held, so what it does not see nobody can add any more.
    const [heads, known] = await Promise.all([lockHeads(tx, shards), findByKeys(tx, keys)]);
    const entries = new Map(known.map((entry) => [entry.idempotencyKey, entry]));
    const fresh = drafts.filter((draft) => !entries.has(draft.idempotencyKey));
    if (fresh.length === 0) return { entries, balances: new Map() };

    const hashed = await this.#runner.run('billing/hash-entries', { heads, entries: fresh });
    const usage = usageOf(fresh);
    const [balances] = await Promise.all([
      addToBalances(tx, ASSET, movementsOf(fresh)),
      usage.length > 0 ? addUsage(tx, usage) : undefined,
      insertEntries(tx, fresh, hashed, HASH_VERSION),
      moveHeads(tx, endsOf(hashed)),
    ]);
    for (const [index, { shard, seq, hash }] of hashed.entries()) {
      const idempotencyKey = fresh[index]?.idempotencyKey ?? '';
      entries.set(idempotencyKey, { idempotencyKey, shard, seq, hash });
    }
    return { entries, balances };
  }
}

/** The last entry of each shard. */
function endsOf(hashed: readonly HashedEntry[]): ChainHead[] {
  return [...new Map(hashed.map(({ shard, seq, hash }) => [shard, { shard, seq, hash }])).values()];
}
