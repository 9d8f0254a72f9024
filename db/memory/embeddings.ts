/** What is remembered and its vectors; one operation a function. Knows no policy of what is worth remembering. */
import type { Tx } from '../client.ts';

export type Scope = 'user' | 'org' | 'avatar';
export type SpaceKey = { scope: Scope; ownerId: string };

export type NewEmbedding = SpaceKey & {
  id: string;
  objectType: string;
  objectId: string | null;
  text: string;
  /** Undefined exactly when `skipReason` is given. */
  vector: Float32Array | undefined;
  /** SHA-256, hexadecimal. */
  hash: string;
  skipReason: 'excluded' | 'trivial' | null;
  meta: Readonly<Record<string, unknown>>;
  createdAtMs: number;
};

/**
 * Adds rows to their spaces; what a space has already stays, except that a skipped text is kept when it comes again unskipped.
 * Hashes within one call are unique per space. @returns how many were added or kept anew.
 */
export async function insertEmbeddings(
  tx: Tx,
  model: string,
  dimensions: number,
  rows: readonly NewEmbedding[],
): Promise<number> {
  const next = await takePlaces(tx, model, rows);
  const places = rows.map((row) => {
    const key = `${row.scope}:${row.ownerId}`;
    const place = next.get(key) ?? 0;
    next.set(key, place + 1);
    return place;
  });
  const added = await tx.sql`
    insert into memory.embeddings (id, owner_scope, owner_id, object_type, object_id, text, vector, model, dimensions, hash, skip_reason,
      meta_json, place, created_at)
    select id, owner_scope, owner_id, object_type, object_id, text, decode(vector, 'hex'), ${model}, ${dimensions}, decode(hash, 'hex'),
      skip_reason, meta_json::jsonb, place, created_at
    from unnest(
      ${rows.map((row) => row.id)}::uuid[], ${rows.map((row) => row.scope)}::text[], ${rows.map((row) => row.ownerId)}::uuid[],
      ${rows.map((row) => row.objectType)}::text[], ${rows.map((row) => row.objectId)}::uuid[], ${rows.map((row) => row.text)}::text[],
      ${rows.map((row) => (row.vector === undefined ? null : toHex(row.vector)))}::text[], ${rows.map((row) => row.hash)}::text[],
      ${rows.map((row) => row.skipReason)}::text[], ${rows.map((row) => JSON.stringify(row.meta))}::text[], ${places}::bigint[],
      ${rows.map((row) => new Date(row.createdAtMs).toISOString())}::timestamptz[]
    ) as t (id, owner_scope, owner_id, object_type, object_id, text, vector, hash, skip_reason, meta_json, place, created_at)
    on conflict (owner_scope, owner_id, model, hash) do update set
      object_type = excluded.object_type, object_id = excluded.object_id, text = excluded.text, vector = excluded.vector,
      skip_reason = null, meta_json = excluded.meta_json, place = excluded.place, created_at = excluded.created_at
      where embeddings.skip_reason is not null and excluded.skip_reason is null`;
  return added.count;
}

/** Reserves as many places as each space gets rows and locks the spaces, in one order. @returns the first reserved of each. */
async function takePlaces(tx: Tx, model: string, rows: readonly NewEmbedding[]): Promise<Map<string, number>> {
  const counts = new Map<string, { scope: Scope; ownerId: string; count: number }>();
  for (const { scope, ownerId } of rows) {
    const key = `${scope}:${ownerId}`;
    const known = counts.get(key);
    counts.set(key, { scope, ownerId, count: (known?.count ?? 0) + 1 });
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, space]) => space);
  const ends = await tx.sql<{ owner_scope: string; owner_id: string; last_place: string }[]>`
    insert into memory.spaces (owner_scope, owner_id, model, last_place)
    select owner_scope, owner_id, ${model}, places from unnest(
      ${sorted.map((space) => space.scope)}::text[], ${sorted.map((space) => space.ownerId)}::uuid[],
      ${sorted.map((space) => space.count)}::bigint[]
    ) with ordinality as t (owner_scope, owner_id, places, turn) order by turn
    on conflict (owner_scope, owner_id, model) do update set last_place = spaces.last_place + excluded.last_place
    returning owner_scope, owner_id, last_place`;
  return new Map(
    ends.map(({ owner_scope, owner_id, last_place }) => {
      const key = `${owner_scope}:${owner_id}`;
      return [key, Number(last_place) - (counts.get(key)?.count ?? 0) + 1];
    }),
  );
}

export type StoredVector = {
  id: string;
  text: string;
  /** Bytes of little-endian floats. */
  vector: Uint8Array;
  objectType: string;
  objectId: string | null;
  meta: Record<string, unknown>;
  place: number;
  createdAtMs: number;
};

/** The newest `limit` vectors of a space behind a place, oldest first. */
export async function readVectors(
  tx: Tx,
  space: SpaceKey,
  model: string,
  afterPlace: number,
  limit: number,
): Promise<StoredVector[]> {
  const rows = await tx.sql<RawVector[]>`
    select id, text, vector, object_type, object_id, meta_json, place, extract(epoch from created_at) * 1000 as created_at_ms
    from memory.embeddings
    where owner_scope = ${space.scope} and owner_id = ${space.ownerId} and model = ${model} and place > ${afterPlace}
      and vector is not null
    order by place desc limit ${limit}`;
  return rows.reverse().map((row) => ({
    id: row.id,
    text: row.text,
    vector: row.vector,
    objectType: row.object_type,
    objectId: row.object_id,
    meta: row.meta_json,
    place: Number(row.place),
    createdAtMs: Math.round(Number(row.created_at_ms)),
  }));
}

type RawVector = {
  id: string;
  text: string;
  vector: Buffer;
  object_type: string;
  object_id: string | null;
  meta_json: Record<string, unknown>;
  place: string;
  created_at_ms: string;
};

/** Removes what a person said in one conversation. @returns how many memories are gone. */
export async function deleteOfConversation(tx: Tx, userId: string, conversationId: string): Promise<number> {
  const result = await tx.sql`
    delete from memory.embeddings
    where owner_scope = 'user' and owner_id = ${userId} and meta_json ->> 'conversationId' = ${conversationId}`;
  return result.count;
}

/** Texts by id, of the rows that the transaction's user may see. */
export async function findTexts(tx: Tx, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.sql<{ id: string; text: string }[]>`
    select id, text from memory.embeddings where id = any(${[...ids]}::uuid[]) and skip_reason is null`;
  return new Map(rows.map((row) => [row.id, row.text]));
}

function toHex(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('hex');
}
