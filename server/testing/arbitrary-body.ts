/** Bodies for fuzzing, out of the schemas: such as fit, such as nearly fit, and such as have nothing to do with it. */
import fc from 'fast-check';
import type { TSchema } from 'typebox';

type Schema = {
  type?: string;
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
};

/** Texts that have broken servers before. */
const nastyText = fc.constantFrom(
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\udc00x',
  '🧵',
  '\u202e',
  '%s%n',
  "'; drop table chat.messages; --",
  '$(reboot)',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '1e999',
  '\uffff',
  '﷽'.repeat(50),
  'a'.repeat(30_000),
  '-1',
  'İ',
  '{"a":1}',
);
const nastyNumber = fc.constantFrom(-1, 0, 1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e300, -0);
const nasty: fc.Arbitrary<unknown> = fc.oneof(
  nastyText,
  nastyNumber,
  fc.boolean(),
  fc.constant(null),
  fc.constant([]),
  fc.constant({}),
  fc.jsonValue({ maxDepth: 4 }),
  fc.constant({ toString: 1, length: -1, constructor: null }),
);

/**
 * @param known values by field name that exist on the server, so that rules are reached and not only the validation
 */
export function bodyFor(schema: TSchema, known: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<unknown> {
  const fitting = valueFor(schema as Schema, '', known);
  return fc.oneof(
    { weight: 8, arbitrary: fitting },
    { weight: 3, arbitrary: spoilt(fitting) },
    { weight: 1, arbitrary: nasty },
  );
}

/** One field replaced, or one too many. */
function spoilt(fitting: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(fitting, fc.nat(10), nasty, fc.boolean()).map(([body, at, value, more]) => {
    if (typeof body !== 'object' || body === null) return value;
    const keys = Object.keys(body);
    const key = more || keys.length === 0 ? 'surplus' : (keys[at % keys.length] ?? 'surplus');
    return { ...body, [key]: value };
  });
}

function valueFor(
  schema: Schema,
  name: string,
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((choice) => valueFor(choice, name, known)));
  if (schema.type === 'object') return objectFor(schema, known);
  if (schema.type === 'array') return fc.array(valueFor(schema.items ?? {}, name, known), { maxLength: 3 });
  if (schema.type === 'string') return textFor(schema, name, known);
  if (schema.type === 'integer') return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 2 ** 31 });
  if (schema.type === 'number')
    return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true });
  if (schema.type === 'boolean') return fc.boolean();
  return schema.type === 'null' ? fc.constant(null) : nasty;
}

function objectFor(schema: Schema, known: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<unknown> {
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => [name, valueFor(field, name, known)] as const,
  );
  return fc.record(Object.fromEntries(fields), { requiredKeys: schema.required ?? [] });
}

function textFor(
  schema: Schema,
  name: string,
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<string> {
  const values = known[name];
  const real =
    values === undefined || values.length === 0 ? [] : [{ weight: 4, arbitrary: fc.constantFrom(...values) }];
  if (schema.format === 'uuid') return fc.oneof(...real, { weight: 1, arbitrary: fc.uuid() });
  const fits = (text: string) => text.length >= (schema.minLength ?? 0) && text.length <= (schema.maxLength ?? 50_000);
  return fc.oneof(
    ...real,
    { weight: 2, arbitrary: nastyText.filter(fits) },
    {
      weight: 2,
      arbitrary: fc.string({
        minLength: schema.minLength ?? 0,
        maxLength: Math.min(60, schema.maxLength ?? 60),
        unit: 'binary',
      }),
    },
  );
}
