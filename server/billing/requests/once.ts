/**
 * Commands that cost something, answered once by account and key: the same request again gets the stored answer, another one under
 * its key is refused. Answers are kept for `KEPT_DAYS`; afterwards a key is as new. Keys are stored as digests: a client may have
 * put anything into them.
 */
import { createHash } from 'node:crypto';
import {
  claimKey,
  dropExpiredKeys,
  findRequest,
  type RequestKey,
  storeAnswer,
} from '../../../db/billing/idempotency-keys.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { AppError } from '../../errors.ts';
import { digestOf } from './request-digest.ts';

export const KEPT_DAYS = 7;
const KEPT_S = KEPT_DAYS * 86_400;
const DROPPED_AT_ONCE = 1_000;

/** `repeated`: it was answered before, and nothing was done now. */
export type Answer<T> = { answer: T; repeated: boolean };
/** What identifies a request. @param command keeps the keys of one command from those of another. */
export type OnceKey = { userId: string; command: string; key: string; request: unknown };

export class Once {
  readonly #db: Database;
  readonly #accounts: { accountOf(tx: Tx, userId: string): Promise<string> };

  /** @param accounts the ledger. */
  constructor(db: Database, accounts: { accountOf(tx: Tx, userId: string): Promise<string> }) {
    this.#db = db;
    this.#accounts = accounts;
  }

  /**
   * For commands that are one transaction of the service: the answer is stored with what was done, or neither is. One that comes
   * while the first is under way waits for it.
   * @param work gives what is stored as JSON.
   * @throws AppError `billing.idempotency_conflict`; whatever `work` throws, and then nothing is stored.
   */
  inTransaction<T>(of: OnceKey, work: (tx: Tx) => Promise<T>): Promise<Answer<T>> {
    return this.#db.asService(async (tx) => {
      const key = await this.#keyOf(tx, of);
      if (!(await claimKey(tx, key, KEPT_S))) return this.#repeat<T>(tx, key);
      const answer = await work(tx);
      await storeAnswer(tx, key, answer);
      return { answer, repeated: false };
    });
  }

  /** A chore. @returns how many were dropped */
  async dropExpired(): Promise<number> {
    let dropped = 0;
    for (;;) {
      const now = await this.#db.asService((tx) => dropExpiredKeys(tx, DROPPED_AT_ONCE));
      dropped += now;
      if (now < DROPPED_AT_ONCE) return dropped;
    }
  }

  async #keyOf(tx: Tx, { userId, command, key, request }: OnceKey): Promise<RequestKey> {
    if (key === '' || key.length > 200) throw AppError.invalid('idempotencyKey', '1 to 200 characters');
    const keyHash = createHash('sha256').update(`${command}\0${key}`).digest();
    return {
      accountId: await this.#accounts.accountOf(tx, userId),
      keyHash,
      requestHash: digestOf({ command, request }),
    };
  }

  async #repeat<T>(tx: Tx, key: RequestKey): Promise<Answer<T>> {
    const stored = await findRequest(tx, key);
    if (stored === undefined) throw new Error('A request that was claimed is not there.');
    if (!stored.requestHash.equals(key.requestHash)) throw new AppError('billing.idempotency_conflict');
    return { answer: (stored.answer as { answer: T }).answer, repeated: true };
  }
}
