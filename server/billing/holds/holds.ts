/** Tokens set aside before the model is asked, so that no answer can spend what is not there. The rules stand in `billing.hold`. */
import {
  extendHolds,
  type Held,
  HOLD_REFUSED,
  type HoldWish,
  insertHold,
  insertHoldAhead,
  markSettling,
  type OpenHold,
  releaseExpiredHolds,
  releaseHolds,
} from '../../../db/billing/holds.ts';
import type { Database, Tx } from '../../../db/client.ts';
import type { ErrorCode } from '../../../protocol/error-code.ts';
import { AppError } from '../../errors.ts';

/** Running answers lengthen theirs long before; what nobody runs any more is given back after this. */
const LIFE_S = 600;
const RELEASED_AT_ONCE = 500;

const refusals: Readonly<Record<string, ErrorCode>> = {
  [HOLD_REFUSED.insufficientTokens]: 'billing.insufficient_tokens',
  [HOLD_REFUSED.monthlyCapReached]: 'billing.monthly_cap_reached',
  [HOLD_REFUSED.organizationCapReached]: 'billing.organization_cap_reached',
};

/**
 * Sets tokens aside, in the transaction that writes the turn: a person's own or the service's.
 * @returns how much output is paid for: the wish, or less when the tokens run out, but never less than the minimum.
 * @throws AppError `billing.insufficient_tokens`, `billing.monthly_cap_reached`, `billing.organization_cap_reached`; the
 *   transaction is rolled back then.
 */
export async function hold(tx: Tx, wish: HoldWish): Promise<Held> {
  try {
    return await insertHold(tx, wish, LIFE_S, false);
  } catch (error) {
    throw toRefusal(error) ?? error;
  }
}

/** As much as was wished for, in a transaction of its own that is over when this resolves. @returns false when it is not there. */
export async function holdAhead(db: Database, wish: Omit<HoldWish, 'minOutputTokens'>): Promise<boolean> {
  try {
    await db.inOneStatement((statement) => insertHoldAhead(statement, wish, LIFE_S));
    return true;
  } catch (error) {
    if (toRefusal(error) === undefined) throw error;
    return false;
  }
}

/** The refusal that a failed query of a turn stands for; undefined for every other failure. */
export function toRefusal(error: unknown): AppError | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const code = refusals[String(error.code)];
  if (code === undefined) return undefined;
  const figures = 'detail' in error && typeof error.detail === 'string' ? error.detail : '{}';
  return new AppError(code, JSON.parse(figures) as { available: number; needed: number });
}

/** Takes what is held for answers that have ended, for settling. What is missing has expired, or was settled before. */
export async function takeHolds(tx: Tx, generationIds: readonly string[]): Promise<Map<string, OpenHold>> {
  return byGeneration(await markSettling(tx, generationIds));
}

/** For answers whose hold has expired: takes what is there of what they used. */
export async function takeLate(
  tx: Tx,
  ended: readonly { generationId: string; userId: string; tokens: number }[],
): Promise<Map<string, OpenHold>> {
  if (ended.length === 0) return new Map();
  for (const { generationId, userId, tokens } of ended) {
    const wish = { generationId, userId, promptTokens: tokens, maxOutputTokens: 0, minOutputTokens: 0 };
    await insertHold(tx, wish, LIFE_S, true);
  }
  const ids = ended.map(({ generationId }) => generationId);
  return byGeneration(await markSettling(tx, ids));
}

const byGeneration = (holds: readonly OpenHold[]) => new Map(holds.map((one) => [one.generationId, one]));

/** Nothing is charged for these. */
export async function release(tx: Tx, generationIds: readonly string[]): Promise<void> {
  if (generationIds.length > 0) await releaseHolds(tx, generationIds);
}

/** For answers that still run. */
export async function extend(db: Database, generationIds: readonly string[]): Promise<void> {
  if (generationIds.length > 0) await db.asService((tx) => extendHolds(tx, generationIds, LIFE_S));
}

/** Gives back what belongs to answers that nobody runs any more. @returns how many holds */
export async function releaseExpired(db: Database): Promise<number> {
  let released = 0;
  for (;;) {
    const now = await db.asService((tx) => releaseExpiredHolds(tx, RELEASED_AT_ONCE));
    released += now;
    if (now < RELEASED_AT_ONCE) return released;
  }
}
