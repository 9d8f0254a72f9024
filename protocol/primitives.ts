/** Schema pieces that several domains' frames are made of. */
import Type from 'typebox';

export const Uuid = Type.String({ format: 'uuid', description: 'A UUID.' });
/** Pattern of texts that PostgreSQL stores exactly: no U+0000, no half of a surrogate pair. */
export const Storable = '^[^\\u0000\\ud800-\\udfff]*$';
/** The same, and not blanks alone. */
export const Worded = '^(?=[\\s\\S]*\\S)[^\\u0000\\ud800-\\udfff]*$';
/** ISO 8601 in UTC, milliseconds. */
export const Timestamp = Type.String({ format: 'date-time', description: 'ISO 8601, UTC.' });
export const Locale = Type.Union([Type.Literal('en'), Type.Literal('ja')], {
  description: 'Language of texts for people.',
});
/** SHA-256 as 64 lower-case hexadecimal digits. */
export const Hash = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, hexadecimal.' });
export const Empty = Type.Object({});
export const PageLimit = (max: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: max, description: `Rows a page, at most ${max}.` }));
/**
 * A page of texts (messages, prompts, avatars) ends with the one that brings it to so many characters, so that no reply is much larger
 * than what a client that does not read may cost.
 */
export const PAGE_CHARACTERS = 32 * 1024;
/**
 * Branches below one message, and first messages of one conversation. A message carries the ids of those at its place: 8 KB at most.
 * Enforced by `chat.begin_turn`.
 */
export const MAX_BRANCHES = 200;
export const Nullable = <T extends Type.TSchema>(schema: T, options: { description?: string } = {}) =>
  Type.Union([schema, Type.Null()], options);
/** A documented error code; see `error-code.ts`. */
export const ErrorCodeName = Type.String({ pattern: '^[a-z_.]+$', description: 'A documented error code.' });
