/** A place in the list of avatars as an opaque text: the end of a page, where the next one begins. */
import type { AvatarPlace } from '../../db/companion/queries.ts';
import { AppError } from '../errors.ts';

/** The end of the year 9999, in microseconds. */
const LAST_US = 253_402_300_799_999_999n;
const PLACE = /^([012])\.(\d{1,18})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

export const encodeAvatarPlace = ({ part, createdAtUs, id }: AvatarPlace): string => `${part}.${createdAtUs}.${id}`;

/** @throws AppError `protocol.invalid_body` for a text that `encodeAvatarPlace` did not make. */
export function decodeAvatarPlace(text: string): AvatarPlace {
  const [, part, createdAtUs, id] = PLACE.exec(text) ?? [];
  if (part === undefined || createdAtUs === undefined || id === undefined || BigInt(createdAtUs) > LAST_US)
    throw AppError.invalid('before', '`nextBefore` of the page before');
  return { part: Number(part) as AvatarPlace['part'], createdAtUs, id };
}
