/**
 * UUIDs of clients in the one form that everything here compares them in. Some platforms write them in upper case, and a schema lets
 * both pass; ids are keys of maps all over the server, where two forms of one id would be two things.
 */
import type { TSchema } from 'typebox';
import { isUuidInAnyCase } from '../../protocol/uuid.ts';

type Rewrite = (value: unknown) => unknown;

/**
 * What a schema says about where UUIDs stand, as a function that rewrites them within a value that has passed the schema.
 * Objects and arrays are changed in place. Undefined where there are none.
 */
export function uuidRewriter(schema: TSchema): Rewrite | undefined {
  const facts = schema as TSchema & {
    format?: string;
    properties?: Record<string, TSchema>;
    items?: TSchema;
    anyOf?: TSchema[];
  };
  if (facts.format === 'uuid') return lowered;
  if (facts.properties !== undefined) return ofObject(facts.properties);
  if (facts.items !== undefined) return ofArray(facts.items);
  return facts.anyOf === undefined ? undefined : ofUnion(facts.anyOf);
}

/** Looks again: in a union another member may have let a text pass. */
function lowered(value: unknown): unknown {
  return typeof value === 'string' && isUuidInAnyCase(value) ? value.toLowerCase() : value;
}

function ofObject(properties: Readonly<Record<string, TSchema>>): Rewrite | undefined {
  const members = Object.entries(properties).flatMap(([name, schema]) => {
    const rewrite = uuidRewriter(schema);
    return rewrite === undefined ? [] : [{ name, rewrite }];
  });
  if (members.length === 0) return undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null) return value;
    const object = value as Record<string, unknown>;
    for (const { name, rewrite } of members) if (object[name] !== undefined) object[name] = rewrite(object[name]);
    return object;
  };
}

function ofArray(items: TSchema): Rewrite | undefined {
  const rewrite = uuidRewriter(items);
  if (rewrite === undefined) return undefined;
  return (value) => {
    if (Array.isArray(value)) for (const [index, item] of value.entries()) value[index] = rewrite(item);
    return value;
  };
}

function ofUnion(schemas: readonly TSchema[]): Rewrite | undefined {
  const rewrites = schemas.flatMap((schema) => uuidRewriter(schema) ?? []);
  if (rewrites.length === 0) return undefined;
  return (value) => rewrites.reduce((rewritten, rewrite) => rewrite(rewritten), value);
}
