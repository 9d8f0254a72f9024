/** A place in the list of conversations as an opaque text: the end of a page, where the next one begins. */

import { isUuid } from '../../protocol/uuid.ts';
import { AppError } from '../errors.ts';

/** The end of the year 9999: later times have another form, which PostgreSQL does not read. */
const LAST_MS = 253_402_300_799_999;

export function encodePlace(row: { id: string; startedAtMs: number; lastMessageAtMs: number | null }): string {
  return `${Math.floor(row.lastMessageAtMs ?? row.startedAtMs)}.${row.id}`;
}

/** @throws AppError `protocol.invalid_body` for a text that `encodePlace` did not make. */
export function decodePlace(text: string): { atMs: number; id: string } {
  const [at, id] = text.split('.');
  const atMs = Number(at);
  if (at === undefined || !/^\d{1,15}$/.test(at) || atMs > LAST_MS || id === undefined || !isUuid(id)) {
    throw AppError.invalid('before', '`nextBefore` of the page before');
  }
  return { atMs, id };
}
