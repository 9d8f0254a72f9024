/** Example values out of schemas, so that the documents never show a body that the server would refuse. */
import type { TSchema } from 'typebox';

/** The parts of JSON Schema that the protocol uses. */
type Schema = {
  type?: string;
  const?: unknown;
  /** A body as one sends it, where what is required does not make one. */
  examples?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  format?: string;
  pattern?: string;
  minLength?: number;
  minimum?: number;
};

/** Telling values for names that recur; used where the schema agrees. */
const byName: Readonly<Record<string, unknown>> = {
  text: 'Good morning',
  displayName: 'Hana',
  name: 'Wren',
  title: 'Good morning',
  email: 'hana@example.com',
  password: 'a long pass phrase',
  currentPassword: 'a long pass phrase',
  newPassword: 'a longer pass phrase',
  timeZone: 'Asia/Tokyo',
  systemPrompt: 'You are Wren, a quiet librarian.',
  clientMessageId: 'c1',
  protocol: '1.0',
  month: '2026-10',
  offset: 0,
  seq: 1,
  length: 12,
  model: 'tsumugi-persona',
  code: 'llm.unavailable',
  message: 'The model cannot be reached.',
  revision: 3,
  reconnectInMs: 1000,
  maxFrameBytes: 131072,
  idleTimeoutS: 120,
  expiresInS: 900,
  balance: 9999642,
  tokensIn: 310,
  tokensOut: 48,
  accessToken: 'tsa_…',
  refreshToken: 'tsr_…',
  ticket: 'tst_…',
  currency: 'jpy',
  amountMinor: 500,
  requestKey: 'buy-0001',
  planId: 'pro',
  itemId: 'tokens_100k',
  purpose: 'generation',
  shard: 3,
};

/** @param complete false leaves out what is optional, so that an example of a command stays short. */
export function exampleOf(schema: TSchema, complete: boolean, name = ''): unknown {
  return build(schema as Schema, complete, name);
}

function build(schema: Schema, complete: boolean, name: string): unknown {
  if (schema.const !== undefined) return schema.const;
  if (!complete && schema.examples !== undefined) return schema.examples[0];
  if (schema.anyOf !== undefined) return build(schema.anyOf[0] ?? {}, complete, name);
  if (schema.type === 'object') {
    const names = Object.keys(schema.properties ?? {}).filter((key) => complete || schema.required?.includes(key));
    return Object.fromEntries(names.map((key) => [key, build(schema.properties?.[key] ?? {}, complete, key)]));
  }
  if (schema.type === 'array') return complete && schema.items !== undefined ? [build(schema.items, true, name)] : [];
  if (schema.type === 'string') return text(schema, name);
  if (schema.type === 'integer' || schema.type === 'number') return byName[name] ?? Math.max(1, schema.minimum ?? 1);
  if (schema.type === 'boolean') return true;
  return schema.type === 'null' ? null : {};
}

function text(schema: Schema, name: string): string {
  if (schema.format === 'uuid') return uuidFor(name);
  if (schema.format === 'date-time') return '2026-01-01T09:30:00.000Z';
  if (schema.format === 'date') return '2026-01-01';
  if (schema.pattern?.startsWith('^[0-9a-f]{64}') === true)
    return 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c';
  if (schema.pattern?.startsWith('^#') === true) return '#7a5cff';
  if (schema.pattern === '^[A-Z]{3}$') return 'JPY';
  if (schema.pattern === '^[a-z]{3}$') return 'jpy';
  if (schema.pattern === '^[A-Z]{2}$') return 'JP';
  const known = byName[name];
  if (typeof known === 'string') return known;
  return (schema.minLength ?? 0) > 3 ? 'x'.repeat(schema.minLength ?? 0) : 'text';
}

/** The same id for the same name, so that the frames of an example belong together. */
function uuidFor(name: string): string {
  const kinds = ['conversation', 'message', 'generation', 'avatar', 'user', 'session', 'connection'];
  const kind = kinds.findIndex((candidate) => name.toLowerCase().includes(candidate)) + 1;
  return `0198c0de-0000-7000-8000-00000000000${kind}`;
}
