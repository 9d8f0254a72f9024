/** Monthly runs and where months begin. One operation a function. */
import type { Tx } from '../../client.ts';

export type Period = { startMs: number; endMs: number };
export type RunRow = Period & {
  runId: string;
  month: string;
  timeZone: string;
  startedBy: string | null;
  startedAtMs: number;
  finishedAtMs: number | null;
};

/**
 * The instants between which a month lies in a time zone. PostgreSQL decides what midnight is on days on which the clocks change,
 * so months follow each other without a gap.
 * @param month `2026-10`.
 */
export async function findPeriod(tx: Tx, month: string, timeZone: string): Promise<Period> {
  const [row] = await tx.sql<{ startMs: number; endMs: number }[]>`
    select (extract(epoch from (${`${month}-01`}::date)::timestamp at time zone ${timeZone}) * 1000)::float8 as "startMs",
      (extract(epoch from ((${`${month}-01`}::date) + interval '1 month')::timestamp at time zone ${timeZone}) * 1000)::float8 as "endMs"`;
  if (row === undefined) throw new Error('PostgreSQL gave no period.');
  return row;
}

/** Makes the run of a month where there is none. */
export async function insertRun(tx: Tx, row: Omit<RunRow, 'startedAtMs' | 'finishedAtMs'>): Promise<void> {
  await tx.sql`
    insert into billing.payout_runs (id, month, time_zone, period_start, period_end, started_by)
    values (${row.runId}, ${row.month}, ${row.timeZone}, ${new Date(row.startMs)}, ${new Date(row.endMs)}, ${row.startedBy})
    on conflict (month) do nothing`;
}

const columns = (tx: Tx) => tx.sql`
  id as "runId", month, time_zone as "timeZone", started_by as "startedBy",
  (extract(epoch from period_start) * 1000)::float8 as "startMs", (extract(epoch from period_end) * 1000)::float8 as "endMs",
  (extract(epoch from started_at) * 1000)::float8 as "startedAtMs", (extract(epoch from finished_at) * 1000)::float8 as "finishedAtMs"`;

export async function findRun(tx: Tx, month: string): Promise<RunRow | undefined> {
  const [row] = await tx.sql<RunRow[]>`select ${columns(tx)} from billing.payout_runs where month = ${month}`;
  return row;
}

/** Latest month first. */
export async function listRuns(tx: Tx, limit: number): Promise<RunRow[]> {
  return tx.sql<RunRow[]>`select ${columns(tx)} from billing.payout_runs order by month desc limit ${limit}`;
}

export async function finishRun(tx: Tx, runId: string): Promise<void> {
  await tx.sql`update billing.payout_runs set finished_at = now() where id = ${runId} and finished_at is null`;
}
