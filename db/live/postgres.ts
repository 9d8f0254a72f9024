/** The live store in PostgreSQL: tables of the schema `live`, and LISTEN/NOTIFY. For one gateway, or a few. */
import type postgres from 'postgres';
import { type ConnectionOptions, ConnectionPool } from '../connections.ts';
import type { LiveStore, LogPiece, OnceValue, TokenLimit, UserConnections } from './live-store.ts';
import { PostgresChannels } from './postgres-channels.ts';
import { fromStored, toStored } from './stored-text.ts';

/** How long an ended lease keeps its epoch: longer than anybody can still write with it. */
const keepLease = '1 day';
const longestWaitMs = 86_400_000;

export class PostgresLiveStore implements LiveStore {
  readonly #pool: ConnectionPool;
  readonly #channels: PostgresChannels;

  /** @param url the server's login; no connection is opened before the first call. */
  constructor(url: string, options: { maxConnections?: number } = {}) {
    const base: ConnectionOptions = {
      onnotice: () => {},
      // Row level security lets nobody but the server itself in; said once for the connection, so that one call is one
      // statement without a transaction around it.
      connection: { application_name: 'tsumugi live', 'app.role': 'service' },
    };
    this.#pool = new ConnectionPool(url, base, options.maxConnections ?? 4);
    this.#channels = new PostgresChannels(url, base);
  }

  async putSession(userId: string, sessionId: string, value: string, ttlMs: number): Promise<void> {
    await this.#ask(
      (sql) => sql`
      insert into live.sessions (user_id, session_id, value, expires_at)
      values (${toStored(userId)}, ${toStored(sessionId)}, ${toStored(value)}, ${after(sql, ttlMs)})
      on conflict (user_id, session_id) do update set value = excluded.value, expires_at = excluded.expires_at`,
    );
  }

  async getSession(userId: string, sessionId: string): Promise<string | undefined> {
    const [row] = await this.#ask(
      (sql) => sql<{ value: string }[]>`
      select value from live.sessions
      where user_id = ${toStored(userId)} and session_id = ${toStored(sessionId)} and expires_at > clock_timestamp()`,
    );
    return row && fromStored(row.value);
  }

  async dropSession(userId: string, sessionId: string): Promise<void> {
    await this.#ask(
      (sql) =>
        sql`delete from live.sessions where user_id = ${toStored(userId)} and session_id = ${toStored(sessionId)}`,
    );
  }

  async listSessions(userId: string): Promise<string[]> {
    const rows = await this.#ask(
      (sql) => sql<{ id: string }[]>`
      select session_id as id from live.sessions
      where user_id = ${toStored(userId)} and expires_at > clock_timestamp() order by session_id`,
    );
    return rows.map(({ id }) => fromStored(id));
  }

  async putOnce(key: string, value: string, ttlMs: number): Promise<void> {
    await this.#ask(
      (sql) => sql`
      insert into live.once (key, value, expires_at) values (${toStored(key)}, ${toStored(value)}, ${after(sql, ttlMs)})
      on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at`,
    );
  }

  async takeOnce(key: string): Promise<string | undefined> {
    // Row locks let exactly one delete the row.
    const [row] = await this.#ask(
      (sql) => sql<{ value: string; live: boolean }[]>`
      delete from live.once where key = ${toStored(key)} returning value, expires_at > clock_timestamp() as live`,
    );
    return row?.live ? fromStored(row.value) : undefined;
  }

  async takeTokens(key: string, limit: TokenLimit, cost = 1): Promise<{ retryAfterMs: number }> {
    const { burst, perSecond } = limit;
    const fullMs = perSecond > 0 ? Math.min((burst / perSecond) * 1000, longestWaitMs) : longestWaitMs;
    const firstWaitMs = waitMs(burst, cost, perSecond);
    const firstTokens = firstWaitMs === 0 ? Math.min(burst, burst - cost) : burst;
    // The update's expressions see the row as it is under the lock: takers stand in line.
    const [row] = await this.#ask(
      (sql) => sql<{ wait: number }[]>`
      insert into live.buckets as b (key, tokens, wait_ms, filled_at, expires_at)
      values (${toStored(key)}, ${firstTokens}, ${firstWaitMs}, clock_timestamp(), ${after(sql, fullMs)})
      on conflict (key) do update set (tokens, wait_ms, filled_at, expires_at) = (
        select
          case when has >= ${cost}::float8 then least(${burst}::float8, has - ${cost}::float8) else has end,
          case when has >= ${cost}::float8 then 0
            when ${perSecond}::float8 <= 0 then ${longestWaitMs}::float8
            else least(${longestWaitMs}::float8, greatest(1, (${cost}::float8 - has) / ${perSecond}::float8 * 1000)) end,
          at, at + ${fullMs}::float8 * interval '1 millisecond'
        from (select clock_timestamp() as at) as clock, lateral (
          select least(${burst}::float8,
            b.tokens + greatest(0, extract(epoch from at - b.filled_at)::float8) * ${perSecond}::float8) as has
        ) as bucket
      )
      returning wait_ms as wait`,
    );
    return { retryAfterMs: Math.ceil(row?.wait ?? 0) };
  }

  async putOnceFor(
    bucket: string,
    limit: TokenLimit,
    { key, value, ttlMs }: OnceValue,
  ): Promise<{ retryAfterMs: number }> {
    const taken = await this.takeTokens(bucket, limit);
    if (taken.retryAfterMs === 0) await this.putOnce(key, value, ttlMs);
    return taken;
  }

  async appendLog(pieces: readonly LogPiece[]): Promise<Appended> {
    const { beginnings, others } = parted(pieces);
    if (beginnings.length === 0) return others.length === 0 ? { refused: [], lost: [] } : this.#append(others);
    const [begun, appended] = await Promise.all([
      this.#begin(beginnings),
      others.length === 0 ? undefined : this.#append(others),
    ]);
    if (appended === undefined) return begun;
    return { refused: [...begun.refused, ...appended.refused], lost: [...begun.lost, ...appended.lost] };
  }

  /**
   * The first words of answers, which somebody waits for: written with one plain statement. Nobody needs a lock: whoever fences such
   * a log at the same moment meets the same key of its head, so that one waits for the other's commit.
   */
  async #begin(pieces: readonly LogPiece[]): Promise<Appended> {
    const ids = arrayOf(pieces, (piece) => quoted(toStored(piece.generationId)));
    const texts = arrayOf(pieces, (piece) => quoted(toStored(piece.text)));
    const rows = await this.#ask(
      (sql) => sql<{ id: string }[]>`
        with pieces as (select * from unnest(${ids}::text::text[], ${texts}::text::text[]) as p (id, text)),
        heads as (insert into live.log_heads (generation_id, epoch) select id, 1 from pieces order by id
          on conflict (generation_id) do nothing returning generation_id)
        insert into live.log_pieces (generation_id, seq, epoch, at_offset, piece)
        select h.generation_id, 0, 1, 0, p.text from heads h join pieces p on p.id = h.generation_id
        returning generation_id as id`,
    );
    if (rows.length === pieces.length) return { refused: [], lost: [] };
    // A log that is there already: a second try, or somebody else's.
    const begun = new Set(rows.map(({ id }) => fromStored(id)));
    return this.#append(pieces.filter(({ generationId }) => !begun.has(generationId)));
  }

  async fenceLog(generationId: string, epoch: number): Promise<void> {
    // No piece has a negative number: only the epoch is noted.
    await this.#append([{ generationId, epoch, seq: -1, offset: 0, text: '' }]);
  }

  async #append(pieces: readonly LogPiece[]): Promise<Appended> {
    // The hottest path there is: the arrays are written here, because the driver looks at every element.
    const ids = arrayOf(pieces, (piece) => quoted(toStored(piece.generationId)));
    const epochs = arrayOf(pieces, (piece) => piece.epoch);
    const seqs = arrayOf(pieces, (piece) => piece.seq);
    const offsets = arrayOf(pieces, (piece) => piece.offset);
    const texts = arrayOf(pieces, (piece) => quoted(toStored(piece.text)));
    const rows = await this.#ask(
      (sql) => sql<{ id: string; lost: boolean }[]>`
        select generation as id, is_lost as lost from live.append_log(${ids}::text::text[], ${epochs}::text::integer[], ${seqs}::text::integer[],
          ${offsets}::text::integer[], ${texts}::text::text[])`,
    );
    const idsOf = (some: readonly { id: string }[]) => some.map(({ id }) => fromStored(id));
    return { refused: idsOf(rows.filter(({ lost }) => !lost)), lost: idsOf(rows.filter(({ lost }) => lost)) };
  }

  async readLog(generationId: string, afterSeq: number): Promise<LogPiece[]> {
    const rows = await this.#ask(
      (sql) => sql<{ epoch: number; seq: number; offset: number; text: string }[]>`
      select epoch, seq, at_offset as offset, piece as text from live.log_pieces
      where generation_id = ${toStored(generationId)} and seq > ${afterSeq} order by seq`,
    );
    return rows.map((row) => ({ ...row, generationId, text: fromStored(row.text) }));
  }

  async dropLog(generationIds: readonly string[], keepMs: number): Promise<void> {
    if (generationIds.length === 0) return;
    const ids = generationIds.map(toStored);
    if (keepMs > 0) {
      await this.#ask(
        (sql) =>
          sql`update live.log_heads set expires_at = ${after(sql, keepMs)} where generation_id = any(${ids}::text[])`,
      );
    } else {
      await this.#ask(
        (sql) => sql`
        with heads as (delete from live.log_heads where generation_id = any(${ids}::text[]))
        delete from live.log_pieces where generation_id = any(${ids}::text[])`,
      );
    }
  }

  async acquireLease(name: string, owner: string, ttlMs: number): Promise<{ epoch: number } | undefined> {
    const [row] = await this.#ask(
      (sql) => sql<{ epoch: number }[]>`
      insert into live.leases as l (name, owner, epoch, expires_at)
      values (${toStored(name)}, ${toStored(owner)}, 1, ${after(sql, ttlMs)})
      on conflict (name) do update set owner = excluded.owner, expires_at = excluded.expires_at,
        epoch = l.epoch + case when l.owner = excluded.owner then 0 else 1 end
        where l.owner is null or l.owner = excluded.owner or l.expires_at <= clock_timestamp()
      returning epoch::float8 as epoch`,
    );
    return row && { epoch: row.epoch };
  }

  async inheritLease(name: string, heir: string, ttlMs: number): Promise<{ epoch: number } | undefined> {
    // An unknown one is noted as nobody's, with the time that its owner has.
    const [row] = await this.#ask(
      (sql) => sql<{ owner: string | null; epoch: number }[]>`
      insert into live.leases as l (name, owner, epoch, expires_at) values (${toStored(name)}, null, 0, ${after(sql, ttlMs)})
      on conflict (name) do update set owner = ${toStored(heir)}, expires_at = excluded.expires_at, epoch = l.epoch + 1
        where l.expires_at <= clock_timestamp()
      returning owner, epoch::float8 as epoch`,
    );
    return row === undefined || row.owner === null ? undefined : { epoch: row.epoch };
  }

  async renewLeases(names: readonly string[], owner: string, ttlMs: number): Promise<{ lost: string[] }> {
    if (names.length === 0) return { lost: [] };
    const rows = await this.#ask(
      (sql) => sql<{ name: string }[]>`
      update live.leases set expires_at = ${after(sql, ttlMs)}
      where name = any(${names.map(toStored)}::text[]) and owner = ${toStored(owner)} returning name`,
    );
    const kept = new Set(rows.map(({ name }) => fromStored(name)));
    return { lost: names.filter((name) => !kept.has(name)) };
  }

  async releaseLease(name: string, owner: string): Promise<void> {
    await this.#ask(
      (sql) => sql`
      update live.leases set owner = null, expires_at = clock_timestamp()
      where name = ${toStored(name)} and owner = ${toStored(owner)}`,
    );
  }

  async setPresence(gateway: string, users: readonly UserConnections[], ttlMs: number): Promise<number[]> {
    const name = toStored(gateway);
    const rows = await this.#ask(
      (sql) => sql<{ others: number }[]>`
      with given as (
        select * from unnest(${users.map(({ userId }) => toStored(userId))}::text[],
          ${users.map(({ connections }) => connections)}::int[]) with ordinality as g (user_id, connections, place)
      ), left_behind as (
        delete from live.presence p using given g
        where p.user_id = g.user_id and p.gateway = ${name} and g.connections = 0
      ), said as (
        insert into live.presence (user_id, gateway, connections, expires_at)
        select user_id, ${name}, connections, ${after(sql, ttlMs)} from given where connections > 0
        on conflict (user_id, gateway) do update set connections = excluded.connections, expires_at = excluded.expires_at
      )
      select coalesce(sum(p.connections), 0)::int as others from given g
      left join live.presence p on p.user_id = g.user_id and p.gateway <> ${name} and p.expires_at > clock_timestamp()
      group by g.place order by g.place`,
    );
    return users.map(({ connections }, place) => (rows[place]?.others ?? 0) + connections);
  }

  async countPresence(userId: string): Promise<number> {
    const [row] = await this.#ask(
      (sql) => sql<{ n: number }[]>`
      select coalesce(sum(connections), 0)::int as n from live.presence
      where user_id = ${toStored(userId)} and expires_at > clock_timestamp()`,
    );
    return row?.n ?? 0;
  }

  publish(channel: string, payload: string): Promise<void> {
    return this.#channels.publish(channel, payload);
  }

  subscribe(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>> {
    return this.#channels.subscribe(channel, listener);
  }

  onGap(listener: () => void): () => void {
    return this.#channels.onGap(listener);
  }

  async sweep(): Promise<void> {
    await this.#ask((sql) => sql`delete from live.sessions where expires_at <= now()`);
    await this.#ask((sql) => sql`delete from live.once where expires_at <= now()`);
    await this.#ask((sql) => sql`delete from live.buckets where expires_at <= now()`);
    await this.#ask(
      (sql) => sql`
      with heads as (delete from live.log_heads where expires_at <= now() returning generation_id)
      delete from live.log_pieces using heads where log_pieces.generation_id = heads.generation_id`,
    );
    await this.#ask((sql) => sql`delete from live.presence where expires_at <= now()`);
    await this.#ask((sql) => sql`delete from live.messages where expires_at <= now()`);
    await this.#ask((sql) => sql`delete from live.leases where expires_at <= now() - ${keepLease}::interval`);
  }

  async ping(): Promise<void> {
    await this.#ask((sql) => sql`select 1`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.close(5), this.#channels.close()]);
  }

  /** One statement, alone on a connection. */
  #ask<T extends readonly postgres.MaybeRow[]>(
    query: (sql: postgres.Sql) => postgres.PendingQuery<T & postgres.Row[]>,
  ) {
    return this.#pool.use(async ({ sql }) => query(sql));
  }
}

type Appended = { refused: string[]; lost: string[] };

/** First pieces of first owners, each alone of its answer, and everything else in its order. */
function parted(pieces: readonly LogPiece[]): { beginnings: LogPiece[]; others: readonly LogPiece[] } {
  const isFirst = ({ seq, epoch, offset }: LogPiece) => seq === 0 && epoch === 1 && offset === 0;
  const firsts = pieces.filter(isFirst);
  if (firsts.length === 0) return { beginnings: [], others: pieces };
  const counts = new Map<string, number>();
  for (const { generationId } of pieces) counts.set(generationId, (counts.get(generationId) ?? 0) + 1);
  const beginnings = firsts.filter(({ generationId }) => counts.get(generationId) === 1);
  const begun = new Set(beginnings);
  return { beginnings, others: pieces.filter((piece) => !begun.has(piece)) };
}

/** What a full bucket answers. */
function waitMs(has: number, cost: number, perSecond: number): number {
  if (has >= cost) return 0;
  return perSecond > 0 ? Math.min(((cost - has) / perSecond) * 1000, longestWaitMs) : longestWaitMs;
}

function after(sql: postgres.Sql, ttlMs: number): postgres.PendingQuery<postgres.Row[]> {
  return sql`clock_timestamp() + ${ttlMs}::float8 * interval '1 millisecond'`;
}

/** PostgreSQL's text form of an array. */
function arrayOf(pieces: readonly LogPiece[], element: (piece: LogPiece) => string | number): string {
  let text = '';
  for (const piece of pieces) text += `,${element(piece)}`;
  return `{${text.slice(1)}}`;
}

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}
