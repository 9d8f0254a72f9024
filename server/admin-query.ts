/** Reads the query of the operators' interface. @throws AppError `protocol.invalid_body` that names the parameter. */
import Type from 'typebox';
import { AppError } from './errors.ts';
import type { Route } from './http.ts';

const MAX_LIMIT = 500;

const Id = Type.String({ format: 'uuid' });

/** What stands behind the question mark of operators' addresses, for the docs. */
const parameters = {
  limit: { says: `Rows a page, at most ${MAX_LIMIT}.`, schema: Type.Integer({ minimum: 0, maximum: MAX_LIMIT }) },
  offset: { says: 'Rows to leave out.', schema: Type.Integer({ minimum: 0 }) },
  before: { says: '`nextBefore` of the page before.', schema: Id },
  userId: { says: 'Of this user alone.', schema: Id },
  accountId: { says: 'Of this account of the ledger alone.', schema: Id },
  entryId: { says: 'This entry alone.', schema: Id },
  generationId: { says: 'What was booked for this answer alone.', schema: Id },
  creatorId: { says: 'Of this creator alone.', schema: Id },
  paymentId: { says: 'With this id of the payment provider.', schema: Type.String() },
  status: { says: 'In this state alone.', schema: Type.String() },
  state: { says: 'In this state alone.', schema: Type.String() },
  month: { says: 'Of this month alone, such as 2026-10.', schema: Type.String() },
  lang: { says: 'Language of the statement.', schema: Type.Union([Type.Literal('en'), Type.Literal('ja')]) },
} as const satisfies NonNullable<Route['query']>;
export type AdminParameter = keyof typeof parameters;

export function queryDocs(names: readonly AdminParameter[]): NonNullable<Route['query']> {
  return Object.fromEntries(names.map((name) => [name, parameters[name]]));
}

export function pageOf(query: URLSearchParams): { offset: number; limit: number } {
  return {
    offset: countOf(query, 'offset', 0, 10_000_000),
    limit: Math.max(1, countOf(query, 'limit', 100, MAX_LIMIT)),
  };
}

function countOf(query: URLSearchParams, name: string, otherwise: number, max: number): number {
  const given = query.get(name);
  if (given === null) return otherwise;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (!(value <= max)) throw AppError.invalid(name, `a whole number up to ${max}`);
  return value;
}

export function uuidOf(query: URLSearchParams, name: string): string | undefined {
  const given = query.get(name);
  if (given === null || given === '') return undefined;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(given)) throw AppError.invalid(name, 'a UUID');
  return given.toLowerCase();
}
