/**
 * Takes entries of the ledger back (000-Q2): a new entry the other way round, with a reason, by an operator. Owns who may do it
 * alone: up to a limit of tokens within a day, and never where his own account is concerned; beyond that another operator agrees.
 * Refuses corrections of corrections, and what was bought: that is refunded, so that money and tokens stay together.
 */
import {
  decideReversal,
  findReversalForUpdate,
  findReversible,
  insertReversal,
  listReversals,
  lockRequester,
  type ReversalRow,
  type ReversalState,
  type ReversibleEntry,
  sumAlone,
} from '../../../db/billing/reversals.ts';
import type { Database, Tx } from '../../../db/client.ts';
import { uuidv7 } from '../../../db/uuid.ts';
import type { Clock } from '../../clock.ts';
import { AppError } from '../../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PendingRef } from '../ledger/movement.ts';
import type { Once } from '../requests/once.ts';
import type { RequestReversal, Reversal, ReversalPage } from './admin-shapes.ts';

/** Plain, so that it can be stored as the answer to a request. */
type Requested = { row: ReversalRow; refs: PendingRef[] };
type Parts = Readonly<{
  db: Database;
  clock: Clock;
  ledger: Pick<Ledger, 'enqueue' | 'settled'>;
  once: Pick<Once, 'inTransaction'>;
  /** What one operator may take back alone within a day. */
  limitTokens: number;
}>;

const DAY_MS = 86_400_000;
/** The others belong to purchases. */
const reversible = new Set(['generation', 'sign_up_grant', 'plan_grant', 'adjustment']);

export class Reversals {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Books at once what the operator may take back alone; else it waits for another one.
   * @throws AppError `billing.entry_not_found`, `billing.not_reversible`, `billing.already_reversed`,
   *   `billing.idempotency_conflict`.
   */
  async request(operatorId: string, wish: RequestReversal): Promise<Reversal> {
    const { db, once } = this.#parts;
    const { requestKey: key, ...request } = wish;
    const act = (tx: Tx) => this.#request(tx, operatorId, request);
    const of = { userId: operatorId, command: 'reversals.request', request };
    const { row, refs } =
      key === undefined ? await db.asService(act) : (await once.inTransaction({ ...of, key }, act)).answer;
    return this.#booked(row, refs);
  }

  async #request(tx: Tx, operatorId: string, { entryId, reasonCode, reason }: RequestReversal): Promise<Requested> {
    const { clock, limitTokens } = this.#parts;
    const nowMs = clock.now();
    await lockRequester(tx, operatorId);
    const entry = await getReversible(tx, entryId);
    const alone = (await sumAlone(tx, operatorId, nowMs - DAY_MS)) + entry.tokenAmount;
    const needsSecond = alone > limitTokens || entry.userIds.includes(operatorId);
    const row: ReversalRow = {
      reversalId: uuidv7(nowMs),
      entryId,
      asset: entry.asset,
      tokenAmount: entry.tokenAmount,
      reasonCode,
      reason,
      needsSecond,
      state: needsSecond ? 'waiting' : 'approved',
      requestedBy: operatorId,
      requestedAtMs: nowMs,
      decidedBy: needsSecond ? null : operatorId,
      decidedAtMs: needsSecond ? null : nowMs,
    };
    if (!(await insertReversal(tx, row))) throw new AppError('billing.already_reversed');
    return { row, refs: needsSecond ? [] : await this.#enqueue(tx, row, entry) };
  }

  /**
   * @throws AppError `billing.reversal_not_found`, `billing.reversal_decided`, `billing.second_person_needed`, `billing.already_reversed`.
   */
  async approve(operatorId: string, reversalId: string): Promise<Reversal> {
    const { row, refs } = await this.#parts.db.asService(async (tx) => {
      const waiting = await getWaiting(tx, reversalId);
      const entry = await getReversible(tx, waiting.entryId);
      if (waiting.requestedBy === operatorId || entry.userIds.includes(operatorId))
        throw new AppError('billing.second_person_needed');
      const row = this.#decided(waiting, 'approved', operatorId);
      await decideReversal(tx, row);
      return { row, refs: await this.#enqueue(tx, row, entry) };
    });
    return this.#booked(row, refs);
  }

  /** Also by whoever asked for it. @throws AppError `billing.reversal_not_found`, `billing.reversal_decided`. */
  async decline(operatorId: string, reversalId: string): Promise<Reversal> {
    const row = await this.#parts.db.asService(async (tx) => {
      const row = this.#decided(await getWaiting(tx, reversalId), 'declined', operatorId);
      await decideReversal(tx, row);
      return row;
    });
    return toReply(row, null);
  }

  async list(
    operatorId: string,
    page: { state?: ReversalState; before?: string; limit: number },
  ): Promise<ReversalPage> {
    const rows = await this.#parts.db.asAdmin(operatorId, (tx) => listReversals(tx, page));
    return {
      reversals: rows.map((row) => toReply(row, row.booked)),
      nextBefore: rows.length < page.limit ? null : (rows.at(-1)?.reversalId ?? null),
      limitTokens: this.#parts.limitTokens,
    };
  }

  #decided(row: ReversalRow, state: ReversalState, decidedBy: string): ReversalRow {
    return { ...row, state, decidedBy, decidedAtMs: this.#parts.clock.now() };
  }

  #enqueue(tx: Tx, row: ReversalRow, entry: ReversibleEntry): Promise<PendingRef[]> {
    const counted = entry.purpose === 'generation' && entry.asset === 'token';
    return this.#parts.ledger.enqueue(tx, [
      {
        fromAccount: entry.toAccount,
        toAccount: entry.fromAccount,
        asset: entry.asset,
        tokenAmount: entry.tokenAmount,
        purpose: 'reversal',
        reversesId: entry.entryId,
        idempotencyKey: `reversal:${row.reversalId}`,
        // What was spent within the month under way is there to be spent again.
        ...(counted ? { spentAt: new Date(entry.createdAtMs) } : {}),
        ...(counted && entry.organizationId !== null ? { organizationId: entry.organizationId } : {}),
      },
    ]);
  }

  async #booked(row: ReversalRow, refs: readonly PendingRef[]): Promise<Reversal> {
    const [place] = await this.#parts.ledger.settled(refs);
    return toReply(row, place === undefined ? null : { shard: place.shard, seq: place.seq });
  }
}

async function getReversible(tx: Tx, entryId: string): Promise<ReversibleEntry> {
  const entry = await findReversible(tx, entryId);
  if (entry === undefined) throw new AppError('billing.entry_not_found');
  if (entry.isCorrection || !reversible.has(entry.purpose))
    throw new AppError('billing.not_reversible', { purpose: entry.purpose });
  if (entry.isReversed) throw new AppError('billing.already_reversed');
  return entry;
}

async function getWaiting(tx: Tx, reversalId: string): Promise<ReversalRow> {
  const row = await findReversalForUpdate(tx, reversalId);
  if (row === undefined) throw new AppError('billing.reversal_not_found');
  if (row.state !== 'waiting') throw new AppError('billing.reversal_decided');
  return row;
}

function toReply({ requestedAtMs, decidedAtMs, ...row }: ReversalRow, booked: Reversal['booked']): Reversal {
  return {
    reversalId: row.reversalId,
    entryId: row.entryId,
    asset: row.asset,
    tokenAmount: row.tokenAmount,
    reasonCode: row.reasonCode as Reversal['reasonCode'],
    reason: row.reason,
    needsSecond: row.needsSecond,
    state: row.state,
    requestedBy: row.requestedBy,
    requestedAt: new Date(requestedAtMs).toISOString(),
    decidedBy: row.decidedBy,
    decidedAt: decidedAtMs === null ? null : new Date(decidedAtMs).toISOString(),
    booked,
  };
}
