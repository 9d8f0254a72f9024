/**
 * The file of an export, version 1: a first line that says so, the entries as lines (see `workers/billing/row-reader.ts`), shard by
 * shard in the order of their chains, and a last line with their number. Nothing personal is in it.
 */
import { createReadStream } from 'node:fs';
import { readEnds } from '../../../db/billing/proofs/checkpoints.ts';
import { streamRows } from '../../../db/billing/proofs/rows.ts';
import type { Database } from '../../../db/client.ts';
import { SHARDS } from '../../../workers/billing/hash-entries.ts';
import { exportColumns } from '../../../workers/billing/row-reader.ts';

const FIRST = `tsumugi-ledger-export 1\t${exportColumns.join('\t')}`;
const LAST = /^end (\d{1,15})$/;
const LINE_BREAK = 10;
const LETTER_E = 0x65;
/** No line of an entry comes near it. */
const MAX_LINE_BYTES = 1 << 20;
/** Of a longer one: shard and sequence stand in it. Its last byte lies within an account's id. */
const KEPT_BYTES = 64;

/** The file is not one of this form, or is not whole. */
export class BadExport extends Error {
  override readonly name = 'BadExport';
}

/** @param write gets the file piece by piece; the next one is read when it has taken the last. @returns the number of entries */
export async function writeExport(db: Database, write: (piece: Uint8Array | string) => Promise<void>): Promise<number> {
  await write(`${FIRST}\n`);
  let rows = 0;
  const every = Array.from({ length: SHARDS }, (_, shard) => shard);
  for (const { shard, seq } of await db.asService((tx) => readEnds(tx, every))) {
    await db.asService(async (tx) => {
      for await (const piece of streamRows(tx, shard, 0, seq)) {
        rows += countLines(piece);
        await write(piece);
      }
    });
  }
  await write(`end ${rows}\n`);
  return rows;
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_BREAK); at !== -1; at = bytes.indexOf(LINE_BREAK, at + 1)) lines += 1;
  return lines;
}

/** Whole lines of pieces that end anywhere. One that is longer than any entry is told by its beginning, made unreadable. */
export async function* wholeLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const piece of pieces) {
    const end = piece.lastIndexOf(LINE_BREAK) + 1;
    if (end > 0) {
      yield rest.length === 0 ? piece.subarray(0, end) : Buffer.concat([rest, piece.subarray(0, end)]);
      rest = piece.slice(end);
    } else {
      rest = Buffer.concat([rest, piece]);
    }
    // Whatever follows, it must not be put together with this to an entry.
    if (rest.length > MAX_LINE_BYTES) rest = rest.slice(0, KEPT_BYTES).fill(0, KEPT_BYTES - 1);
  }
  if (rest.length > 0) throw new BadExport('The last line has no end: the file was cut off.');
}

/** The lines of the entries of a file, in pieces of whole lines. @throws BadExport */
export async function* readExport(path: string): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  let rows = 0;
  let stated: number | undefined;
  for await (const lines of wholeLines(createReadStream(path, { highWaterMark: 1 << 20 }))) {
    if (stated !== undefined) throw new BadExport('There is something behind the last line.');
    let start = 0;
    if (isFirst) {
      start = lines.indexOf(LINE_BREAK) + 1;
      if (Buffer.from(lines.subarray(0, start - 1)).toString() !== FIRST)
        throw new BadExport('The first line is not that of an export of this version.');
      isFirst = false;
    }
    // Lines of entries begin with a digit.
    const lastStart = lines.lastIndexOf(LINE_BREAK, lines.length - 2) + 1;
    let end = lines.length;
    if (lastStart >= start && lines[lastStart] === LETTER_E) {
      const text = Buffer.from(lines.subarray(lastStart, lines.length - 1)).toString();
      stated = Number(LAST.exec(text)?.[1] ?? Number.NaN);
      end = lastStart;
    }
    const part = lines.subarray(start, end);
    rows += countLines(part);
    if (part.length > 0) yield part;
  }
  if (stated === undefined) throw new BadExport('The last line is missing: the file was cut off.');
  if (stated !== rows) throw new BadExport(`The last line says ${stated} entries, there are ${rows}.`);
}
