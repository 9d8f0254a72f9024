/** Reads the query of the operators' interface. @throws AppError `protocol.invalid_body` that names the parameter. */
import { AppError } from './errors.ts';

const MAX_LIMIT = 500;

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
