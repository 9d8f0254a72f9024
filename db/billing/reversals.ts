/** Operators' requests to take entries of the ledger back. One operation a function. */
import type { Tx } from '../client.ts';

export type ReversalState = 'waiting' | 'approved' | 'declined';
export type ReversalRow = {
  reversalId: string;
  entryId: string;
  asset: 'token' | 'addon_token';
  tokenAmount: number;
  reasonCode: string;
  reason: string;
  needsSecond: boolean;
  state: ReversalState;
  requestedBy: string;
  requestedAtMs: number;
  decidedBy: string | null;
  decidedAtMs: number | null;
};

/** An entry that may be taken back, with what its correction has to know. */
export type ReversibleEntry = {
  entryId: string;
  fromAccount: string;
  toAccount: string;
  asset: 'token' | 'addon_token';
  tokenAmount: number;
  purpose: string;
  isCorrection: boolean;
  isReversed: boolean;
  /** When it was spent. */
  createdAtMs: number;
  /** Whose cap it counted against. */
  organizationId: string | null;
  /** Users on either side of it. */
  userIds: string[];
};

export async function findReversible(tx: Tx, entryId: string): Promise<ReversibleEntry | undefined> {
  const [row] = await tx.sql<(Omit<ReversibleEntry, 'tokenAmount'> & { tokenAmount: string })[]>`
    select e.id as "entryId", e.from_account as "fromAccount", e.to_account as "toAccount", e.asset, e.token_amount as "tokenAmount",
      e.purpose, e.reverses_id is not null as "isCorrection", (extract(epoch from e.created_at) * 1000)::float8 as "createdAtMs",
      exists (select from billing.token_ledger r where r.reverses_id = e.id)
        or exists (select from billing.pending_entries p where p.reverses_id = e.id)
        -- A plan's tokens that went back with their money.
        or exists (select from billing.plan_grants g where g.idempotency_key = (e.idempotency_key collate "default") and g.clawed_by is not null)
        as "isReversed",
      (select o.organization_id from billing.organization_entries o where o.entry_id = e.id) as "organizationId",
      array(select a.owner_id from billing.accounts a where a.owner_type = 'user' and a.id in (e.from_account, e.to_account)) as "userIds"
    from billing.token_ledger e where e.id = ${entryId}`;
  return row === undefined ? undefined : { ...row, tokenAmount: Number(row.tokenAmount) };
}

/** One request of an operator at a time, so that two of them cannot both stay below the limit. */
export async function lockRequester(tx: Tx, userId: string): Promise<void> {
  await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`billing.reversals ${userId}`}, 0))`;
}

/** Tokens that an operator has taken back alone since then. */
export async function sumAlone(tx: Tx, userId: string, sinceMs: number): Promise<number> {
  const [row] = await tx.sql<{ tokens: string }[]>`
    select coalesce(sum(token_amount), 0) as tokens from billing.reversal_requests
    where requested_by = ${userId} and requested_at > ${new Date(sinceMs)} and not needs_second and state = 'approved'`;
  return Number(row?.tokens ?? 0);
}

/** @returns false when the entry has a request already. */
export async function insertReversal(tx: Tx, row: ReversalRow): Promise<boolean> {
  const added = await tx.sql`
    insert into billing.reversal_requests (id, entry_id, asset, token_amount, reason_code, reason, needs_second, state, requested_by,
      requested_at, decided_by, decided_at)
    values (${row.reversalId}, ${row.entryId}, ${row.asset}, ${row.tokenAmount}, ${row.reasonCode}, ${row.reason}, ${row.needsSecond},
      ${row.state}, ${row.requestedBy}, ${new Date(row.requestedAtMs)}, ${row.decidedBy},
      ${row.decidedAtMs === null ? null : new Date(row.decidedAtMs)})
    on conflict (entry_id) where state <> 'declined' do nothing returning id`;
  return added.length > 0;
}

/** Locked, so that it is decided once. */
export async function findReversalForUpdate(tx: Tx, reversalId: string): Promise<ReversalRow | undefined> {
  const rows = await tx.sql<RawReversal[]>`
    select ${columns(tx)} from billing.reversal_requests where id = ${reversalId} for update`;
  return rows.map(toReversal)[0];
}

export async function decideReversal(
  tx: Tx,
  { reversalId, state, decidedBy, decidedAtMs }: ReversalRow,
): Promise<void> {
  await tx.sql`
    update billing.reversal_requests
    set state = ${state}, decided_by = ${decidedBy}, decided_at = ${decidedAtMs === null ? null : new Date(decidedAtMs)}
    where id = ${reversalId}`;
}

/** Newest first, with the place of its entry in the ledger where it is booked. */
export async function listReversals(
  tx: Tx,
  page: { state?: ReversalState; before?: string; limit: number },
): Promise<(ReversalRow & { booked: { shard: number; seq: number } | null })[]> {
  const rows = await tx.sql<(RawReversal & { shard: number | null; seq: string | null })[]>`
    select ${columns(tx)}, r.shard, r.seq from billing.reversal_requests
    left join billing.token_ledger r on r.reverses_id = entry_id and reversal_requests.state = 'approved'
    where (${page.state ?? null}::text is null or reversal_requests.state = ${page.state ?? null})
      and (${page.before ?? null}::uuid is null or reversal_requests.id < ${page.before ?? null}::uuid)
    order by reversal_requests.id desc limit ${page.limit}`;
  return rows.map((row) => ({
    ...toReversal(row),
    booked: row.shard === null || row.seq === null ? null : { shard: row.shard, seq: Number(row.seq) },
  }));
}

type RawReversal = Omit<ReversalRow, 'tokenAmount'> & { tokenAmount: string };

const columns = (tx: Tx) => tx.sql`
  reversal_requests.id as "reversalId", reversal_requests.entry_id as "entryId", reversal_requests.asset,
  reversal_requests.token_amount as "tokenAmount", reversal_requests.reason_code as "reasonCode", reversal_requests.reason,
  reversal_requests.needs_second as "needsSecond", reversal_requests.state, reversal_requests.requested_by as "requestedBy",
  (extract(epoch from reversal_requests.requested_at) * 1000)::float8 as "requestedAtMs", reversal_requests.decided_by as "decidedBy",
  (extract(epoch from reversal_requests.decided_at) * 1000)::float8 as "decidedAtMs"`;

function toReversal({ tokenAmount, ...row }: RawReversal): ReversalRow {
  const { reversalId, entryId, asset, reasonCode, reason, needsSecond, state } = row;
  const { requestedBy, requestedAtMs, decidedBy, decidedAtMs } = row;
  return {
    reversalId,
    entryId,
    asset,
    tokenAmount: Number(tokenAmount),
    reasonCode,
    reason,
    needsSecond,
    state,
    requestedBy,
    requestedAtMs,
    decidedBy,
    decidedAtMs,
  };
}
