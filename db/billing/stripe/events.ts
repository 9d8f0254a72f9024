/** What the provider told: the inbox of its events; one operation a function. */
import type { Tx } from '../../client.ts';

export type EventRow = {
  provider: string;
  eventId: string;
  type: string;
  subject: { kind: string; id: string } | undefined;
  accountId: string | undefined;
  createdAtMs: number;
};

/** @returns false when this event was received before. An event about nothing of ours is done at once. */
export async function insertEvent(tx: Tx, event: EventRow): Promise<boolean> {
  const made = await tx.sql`
    insert into billing.provider_events (provider, event_id, type, subject_kind, subject_id, account_id, created_at, processed_at)
    values (${event.provider}, ${event.eventId}, ${event.type}, ${event.subject?.kind ?? null}, ${event.subject?.id ?? null},
      ${event.accountId ?? null}, ${new Date(event.createdAtMs)},
      case when ${event.subject === undefined} then clock_timestamp() end)
    on conflict do nothing`;
  return made.count === 1;
}

export type DueEvent = {
  eventId: string;
  type: string;
  subjectKind: string;
  subjectId: string;
  accountId: string | null;
  attempts: number;
  /** Database clock, when it was taken: events about the same that were there by then are answered by the same look. */
  takenAt: string;
};

/** Takes the event that has waited longest, for `leaseS` seconds. Gateways never take the same one. */
export async function takeDueEvent(tx: Tx, provider: string, leaseS: number): Promise<DueEvent | undefined> {
  const [row] = await tx.sql<DueEvent[]>`
    update billing.provider_events as event
    set attempts = event.attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => ${leaseS})
    where (provider, event_id) = (
      select provider, event_id from billing.provider_events
      where provider = ${provider} and processed_at is null and next_attempt_at <= clock_timestamp()
      order by next_attempt_at limit 1 for update skip locked)
    returning event_id as "eventId", type, subject_kind as "subjectKind", subject_id as "subjectId", account_id as "accountId",
      attempts, clock_timestamp()::text as "takenAt"`;
  return row;
}

/** This event is done, and with it all about the same that were received before it was taken. */
export async function finishEvents(tx: Tx, provider: string, event: DueEvent): Promise<void> {
  await tx.sql`
    update billing.provider_events set processed_at = clock_timestamp(), error = null
    where provider = ${provider} and processed_at is null and (event_id = ${event.eventId}
      or (subject_kind = ${event.subjectKind} and subject_id = ${event.subjectId}
        and account_id is not distinct from ${event.accountId} and received_at <= ${event.takenAt}::timestamptz))`;
}

export async function postponeEvent(
  tx: Tx,
  provider: string,
  eventId: string,
  after: { seconds: number; error: string },
): Promise<void> {
  await tx.sql`
    update billing.provider_events set error = ${after.error.slice(0, 200)},
      next_attempt_at = clock_timestamp() + make_interval(secs => ${after.seconds})
    where provider = ${provider} and event_id = ${eventId} and processed_at is null`;
}

/** Forgets what was dealt with long ago. The provider sends nothing again after a few days. @returns how many */
export async function deleteOldEvents(tx: Tx, olderThanDays: number): Promise<number> {
  const gone = await tx.sql`
    delete from billing.provider_events
    where processed_at is not null and received_at < now() - make_interval(days => ${olderThanDays})`;
  return gone.count;
}

/** The one clock that all gateways share. */
export async function databaseNow(tx: Tx): Promise<Date> {
  const [row] = await tx.sql<{ now: Date }[]>`select clock_timestamp() as now`;
  if (row === undefined) throw new Error('The database has no clock.');
  return row.now;
}

/** Events that should have been dealt with by now: how many, and since when the oldest of them waits. */
export async function countOverdueEvents(tx: Tx, afterS: number): Promise<{ count: number; oldest: Date | null }> {
  const [row] = await tx.sql<{ count: string; oldest: Date | null }[]>`
    select count(*) as count, min(received_at) as oldest from billing.provider_events
    where processed_at is null and received_at < now() - make_interval(secs => ${afterS})`;
  return { count: Number(row?.count ?? 0), oldest: row?.oldest ?? null };
}
