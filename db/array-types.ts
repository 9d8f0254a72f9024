/**
 * Arrays as parameters and in rows, for the driver. Left to itself it asks each new connection for the array types, and drops the
 * failure of that question where nobody can catch it: a connection that ends while it is being opened then ends the process
 * (or marks a test run as failed). The ids of the built-in types never change, so nothing has to be asked.
 */
import { parse } from 'postgres-array';
import { textArray } from './arrays.ts';

type ArrayType = {
  readonly to: number;
  readonly from: number[];
  readonly serialize: (value: unknown) => unknown;
  readonly parse: (text: string) => unknown[];
};

const number = (text: string): number => Number(text);
const date = (text: string): Date => new Date(text);
const json = (text: string): unknown => JSON.parse(text);

/** The id of each array type (pg_type.dat) with what the driver makes of one element. */
const elements: Record<number, ((text: string) => unknown) | undefined> = {
  1000: (text) => text === 't',
  1001: (text) => Buffer.from(text.slice(2), 'hex'),
  1005: number, // int2
  1007: number, // int4
  1016: undefined, // int8: a string, as outside of arrays
  1009: undefined, // text
  1015: undefined, // varchar
  1021: number, // float4
  1022: number, // float8
  1115: date, // timestamp
  1182: date, // date
  1185: date, // timestamptz
  1231: undefined, // numeric: a string
  199: json,
  2951: undefined, // uuid
  3807: json, // jsonb
};

/** For the driver's option `types`. A parameter that is a text already is taken as an array literal. */
export const arrayTypes: Record<string, ArrayType> = Object.fromEntries(
  Object.entries(elements).map(([id, element]) => [
    `array${id}`,
    {
      to: Number(id),
      from: [Number(id)],
      serialize: (value: unknown) => (Array.isArray(value) ? textArray(value.map(elementText)) : value),
      parse: (text: string) => (element ? parse(text, element) : parse(text)),
    },
  ]),
);

/** @throws TypeError for what has no form in a flat array. */
function elementText(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || Array.isArray(value))
    throw new TypeError(
      `An array for PostgreSQL has an element that is ${Array.isArray(value) ? 'an array' : typeof value}.`,
    );
  return JSON.stringify(value);
}
