/** Tokens that are set aside for answers; see `billing.hold` in migration 0012. One operation a function. */
import type { Statement, Tx } from '../client.ts';

/** SQLSTATE of a refusal by `billing.hold`. */
export const HOLD_REFUSED = {
  insufficientTokens: 'TB001',
  monthlyCapReached: 'TB002',
  organizationCapReached: 'TB003',
} as const;

export type HoldWish = {
  generationId: string;
  userId: string;
  promptTokens: number;
  maxOutputTokens: number;
  /** Less than this is not worth asking the model. */
  minOutputTokens: number;
};
export type Held = { outputTokens: number; tokens: number; addonTokens: number };

/**
 * @param needed the answer exists already: takes what is there, be it nothing, and refuses nothing.
 * @throws an error with a code of `HOLD_REFUSED` and figures as JSON in `detail`.
 */
export async function insertHold(tx: Tx, wish: HoldWish, lifeS: number, needed: boolean): Promise<Held> {
  const [row] = await tx.sql<{ output_tokens: string; tokens: string; addon_tokens: string }[]>`
    select output_tokens, tokens, addon_tokens from billing.hold(${wish.generationId}, ${wish.userId}, ${wish.promptTokens},
      ${wish.maxOutputTokens}, ${wish.minOutputTokens}, ${lifeS}, ${needed})`;
  return {
    outputTokens: Number(row?.output_tokens ?? 0),
    tokens: Number(row?.tokens ?? 0),
    addonTokens: Number(row?.addon_tokens ?? 0),
  };
}

/** All of it or an error, ahead of the turn that it is for; see `billing.hold_ahead` in migration 0040. Outside of any transaction. */
export async function insertHoldAhead(
  { sql }: Statement,
  wish: Omit<HoldWish, 'minOutputTokens'>,
  lifeS: number,
): Promise<void> {
  await sql`
    select billing.hold_ahead(${wish.generationId}, ${wish.userId}, ${wish.promptTokens}, ${wish.maxOutputTokens}, ${lifeS})`;
}

export type OpenHold = {
  generationId: string;
  organizationId: string | null;
  tokens: number;
  addonTokens: number;
  /** Nobody had marked it before: its answer is in no ledger and in no outbox. */
  wasHeld: boolean;
};

/** Marks holds as being settled: they do not expire any more, and booking their entries closes them. Locks them by id. */
export async function markSettling(tx: Tx, generationIds: readonly string[]): Promise<OpenHold[]> {
  const rows = await tx.sql<
    { id: string; organization_id: string | null; tokens: string; addon_tokens: string; was_held: boolean }[]
  >`
    update billing.holds h set state = 'settling'
    from (select id, state = 'held' as was_held from billing.holds where id = any(${[...generationIds]}::uuid[]) order by id for update) as mine
    where h.id = mine.id returning h.id, h.organization_id, h.tokens, h.addon_tokens, mine.was_held`;
  return rows.map((row) => ({
    generationId: row.id,
    organizationId: row.organization_id,
    tokens: Number(row.tokens),
    addonTokens: Number(row.addon_tokens),
    wasHeld: row.was_held,
  }));
}

/** Gives back what nothing is charged for. @returns how many there were */
export async function releaseHolds(tx: Tx, generationIds: readonly string[]): Promise<number> {
  const [row] = await tx.sql<{ released: number }[]>`
    select billing.release_holds(${[...generationIds]}::uuid[]) as released`;
  return row?.released ?? 0;
}

/** Holds whose time is over, by the database's clock. @returns how many there were */
export async function releaseExpiredHolds(tx: Tx, limit: number): Promise<number> {
  const [row] = await tx.sql<{ released: number }[]>`select billing.release_expired_holds(${limit}) as released`;
  return row?.released ?? 0;
}

/** Answers that still run keep what was set aside for them. */
export async function extendHolds(tx: Tx, generationIds: readonly string[], lifeS: number): Promise<void> {
  await tx.sql`
    update billing.holds set expires_at = clock_timestamp() + make_interval(secs => ${lifeS})
    where id = any(${[...generationIds]}::uuid[]) and state = 'held'`;
}
