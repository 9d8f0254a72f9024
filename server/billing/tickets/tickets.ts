/**
 * Tickets (001-R26, R27): transactions are the truth, the balance sums them up. Spending never leads below zero; tickets that go
 * because their money went back may.
 */

import {
  findTicketBalance,
  findTicketMismatches,
  findTicketTransaction,
  insertTicketTransaction,
  listTicketTransactions,
  lockTicketBalance,
  type TicketMismatch,
  type TicketRow,
} from '../../../db/billing/tickets/tickets.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import { AppError } from '../../errors.ts';

export type TicketMove = {
  userId: string;
  /** Whole, above 0. */
  amount: number;
  /** One transaction for each key of a person, for ever. */
  key: string;
};
export type TicketTarget = { type: string; id: string };
type Details = Partial<Pick<TicketRow, 'purchaseId' | 'target' | 'reason' | 'grantedBy'>>;

const REPORT_ROWS = 100;

export class Tickets {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Spends tickets, in the transaction (of the service) that gives what they are for.
   * @returns the balance; the same key again gives it without spending again.
   * @throws AppError `billing.insufficient_tickets`, or `billing.idempotency_conflict` when the key was used for something else.
   */
  consume(tx: Tx, move: TicketMove & { target: TicketTarget }): Promise<number> {
    return this.#move(tx, 'consume', move, { target: move.target });
  }

  /** Gives tickets away, in a transaction of the service. @returns the balance. */
  grant(tx: Tx, move: TicketMove & { reason: string; grantedBy?: string }): Promise<number> {
    return this.#move(tx, 'grant', move, { reason: move.reason, grantedBy: move.grantedBy ?? null });
  }

  /** Of a purchase: bought, taken back with the money, or given back. @returns the balance. */
  ofPurchase(tx: Tx, type: 'purchase' | 'refund' | 'grant', move: TicketMove, purchaseId: string): Promise<number> {
    return this.#move(tx, type, move, { purchaseId, ...(type === 'purchase' ? {} : { reason: 'money back' }) });
  }

  /** @param before `nextBefore` of the page before. */
  async page(
    userId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ balance: number; rows: TicketRow[]; nextBefore: string | null }> {
    return this.#db.asUser(userId, async (tx) => {
      const [balance, found] = await Promise.all([
        findTicketBalance(tx, userId),
        listTicketTransactions(tx, userId, before, limit + 1),
      ]);
      const rows = found.slice(0, limit);
      return { balance, rows, nextBefore: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
    });
  }

  /** Recomputes every balance from the transactions. Empty when all agree. */
  verify(): Promise<TicketMismatch[]> {
    return this.#db.asService((tx) => findTicketMismatches(tx, REPORT_ROWS));
  }

  async #move(tx: Tx, type: TicketRow['type'], move: TicketMove, details: Details): Promise<number> {
    const { userId, amount, key } = move;
    if (!Number.isSafeInteger(amount) || amount <= 0)
      throw new RangeError(`Tickets are counted in whole ones, got ${amount}.`);
    const balance = await lockTicketBalance(tx, userId);
    const signed = type === 'consume' || type === 'refund' ? -amount : amount;
    // Looked for under the balance's lock: nobody can add it meanwhile.
    const before = await findTicketTransaction(tx, userId, key);
    if (before !== undefined) {
      if (!isSame(before, type, signed, details)) throw new AppError('billing.idempotency_conflict');
      return balance;
    }
    if (type === 'consume' && balance < amount)
      throw new AppError('billing.insufficient_tickets', { balance, needed: amount });
    const { purchaseId = null, target = null, reason = null, grantedBy = null } = details;
    const row = { id: uuidv7(), userId, type, amount: signed, idempotencyKey: key };
    await insertTicketTransaction(tx, { ...row, purchaseId, target, reason, grantedBy });
    return balance + signed;
  }
}

function isSame(before: TicketRow, type: TicketRow['type'], amount: number, { target }: Details): boolean {
  return (
    before.type === type &&
    before.amount === amount &&
    before.target?.type === target?.type &&
    before.target?.id === target?.id
  );
}
