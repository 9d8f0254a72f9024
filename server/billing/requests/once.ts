/**
 * Commands that cost something, answered once by account and key: the same request again gets the stored answer, another one under
 * its key is refused. Answers are kept for `KEPT_DAYS`; afterwards a key is as new. Keys are stored as digests: a client may have
 * put anything into them.
 */
import { createHash } from 'node:crypto';
import {
  claimKey,
  dropClaim,
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
/** After so long a request that calls the outside is held for dead, and the same one may be tried again. */
const RUNNING_S = 60;
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
      if (!(await claimKey(tx, key, RUNNING_S))) return this.#repeat<T>(tx, key);
      const answer = await work(tx);
      await storeAnswer(tx, key, answer, KEPT_S);
      return { answer, repeated: false };
    });
  }

  /**
   * For commands that call the outside, which no transaction can wait for. One that comes meanwhile is told so. When the gateway
   * dies on the way, the same request may be tried again after a minute: what it calls must be idempotent by itself.
   * @throws AppError `billing.idempotency_conflict`, `billing.request_running`; whatever `work` throws, and then the key is free.
   */
  async around<T>(of: OnceKey, work: () => Promise<T>): Promise<Answer<T>> {
    const { key, before } = await this.#db.asService(async (tx) => {
      const key = await this.#keyOf(tx, of);
      return { key, before: (await claimKey(tx, key, RUNNING_S)) ? undefined : await this.#repeat<T>(tx, key) };
    });
    if (before !== undefined) return before;
    try {
      const answer = await work();
      await this.#db.asService((tx) => storeAnswer(tx, key, answer, KEPT_S));
      return { answer, repeated: false };
    } catch (error) {
      await this.#db.asService((tx) => dropClaim(tx, key));
      throw error;
    }
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
    if (stored !== undefined && !stored.requestHash.equals(key.requestHash))
      throw new AppError('billing.idempotency_conflict');
    if (stored === undefined || !stored.answered)
      throw new AppError('billing.request_running', { retryAfterMs: 1_000 });
    return { answer: (stored.answer as { answer: T }).answer, repeated: true };
  }
}
