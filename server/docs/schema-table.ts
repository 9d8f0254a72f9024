/** A schema as rows that people read: one a field, nested fields by their path. */
import type { TSchema } from 'typebox';
import { type Html, html, prose } from './html.ts';

type Schema = {
  type?: string;
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  description?: string;
} & Partial<Record<'format' | 'pattern' | 'minLength' | 'maxLength' | 'minimum' | 'maximum' | 'maxItems', unknown>>;

type Row = { path: string; optional: boolean; type: string; limits: string; description: string };

export function schemaTable(schema: TSchema): Html {
  const rows = fields(schema as Schema, '');
  if (rows.length === 0) return html`<p class="empty"><code>{}</code></p>`;
  return html`<div class="scroll" tabindex="0"><table>
    <thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Says</th></tr></thead>
    <tbody>${rows.map(
      (
        row,
      ) => html`<tr><th scope="row"><code>${row.path}</code>${row.optional && html` <span class="optional">optional</span>`}</th>
        <td>${row.type}${row.limits !== '' && html`<br><span class="limits">${row.limits}</span>`}</td><td>${prose(row.description)}</td></tr>`,
    )}</tbody></table></div>`;
}

function fields(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const optional = schema.required?.includes(name) !== true;
    const row = { path, optional, type: typeOf(field), limits: limitsOf(field), description: saysMore(field) };
    return [row, ...inner(field, path)];
  });
}

/** Descriptions that only repeat the type are left out. */
function saysMore({ description = '' }: Schema): string {
  return description === 'A UUID.' ? '' : description;
}

function inner(field: Schema, path: string): Row[] {
  if (field.type === 'array' && field.items !== undefined) return inner(field.items, `${path}[]`);
  // Of a choice, at most one is an object here: the other one is null.
  const object = field.anyOf?.find((choice) => choice.type === 'object') ?? field;
  return object.type === 'object' ? fields(object, `${path}.`) : [];
}

function typeOf(field: Schema): string {
  if (field.const !== undefined) return JSON.stringify(field.const);
  if (field.anyOf !== undefined) return field.anyOf.map(typeOf).join(' | ');
  if (field.type === 'array') return `${typeOf(field.items ?? {})}[]`;
  if (field.format === 'uuid') return 'uuid';
  if (field.format === 'date-time') return 'timestamp';
  return field.type ?? 'any';
}

function limitsOf(field: Schema): string {
  const words = (['minLength', 'maxLength', 'minimum', 'maximum', 'maxItems'] as const).flatMap((name) =>
    field[name] === undefined ? [] : [`${limitNames[name]} ${field[name]}`],
  );
  if (field.pattern !== undefined) words.push(`like ${field.pattern}`);
  return words.join(', ');
}

const limitNames = { minLength: 'length ≥', maxLength: 'length ≤', minimum: '≥', maximum: '≤', maxItems: 'items ≤' };
