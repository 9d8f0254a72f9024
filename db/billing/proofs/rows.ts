/** Entries of the ledger as lines of an export, straight from COPY: what `workers/billing/row-reader.ts` reads. */
import type { Tx } from '../../client.ts';

/** In the order of `exportColumns`. A moment that somebody has moved by less than a millisecond does not pass for the one that was hashed. */
const columns = `hash_version, shard, seq, id, from_account, to_account, asset, token_amount, unit_price_micro, purpose, status,
  reverses_id, conv_id, msg_id, generation_id, idempotency_key, trim_scale(extract(epoch from created_at) * 1000),
  encode(prev_hash, 'hex'), encode(hash, 'hex')`;

/**
 * Lines of a chain in order, as they come: pieces may end within a line. Nothing personal is in them.
 * @param toSeq the last one.
 */
export async function* streamRows(tx: Tx, shard: number, afterSeq: number, toSeq: number): AsyncGenerator<Uint8Array> {
  for (const value of [shard, afterSeq, toSeq]) if (!Number.isSafeInteger(value)) throw new RangeError(`${value}?`);
  // COPY takes no parameters; these are numbers.
  const query = tx.sql.unsafe(`copy (select ${columns} from billing.token_ledger
    where shard = ${shard} and seq > ${afterSeq} and seq <= ${toSeq} order by seq) to stdout`);
  yield* (await query.readable()) as AsyncIterable<Uint8Array>;
}

/** As `streamRows`, at once. */
export async function readRows(tx: Tx, shard: number, afterSeq: number, toSeq: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of streamRows(tx, shard, afterSeq, toSeq)) pieces.push(piece);
  return Buffer.concat(pieces);
}
