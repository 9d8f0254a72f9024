/** Arrays through the driver, and a connection that ends while it is being opened. */
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Connection } from './connections.ts';
import { createTestDatabase, type TestDatabase } from './testing/postgres.ts';

let db: TestDatabase;
let connection: Connection;

beforeAll(async () => {
  db = await createTestDatabase();
  connection = new Connection(db.url, { onnotice: () => {} });
});
afterAll(async () => {
  connection.discard(new Error('The tests are over.'));
  await db.close();
});

const id = '00000000-0000-4000-8000-00000000000a';
const day = new Date('2026-02-28T00:00:00.000Z');
const instant = new Date('2026-11-28T23:59:59.123Z');
const texts = ['', ' ', ',', '{}', '"', '\\', '\\"', 'NULL', 'null', "it's", 'a\nb\tc', '日本語', '👩‍👩‍👧', null];

/** The driver takes a list's type from its first element, so only texts and numbers go in as a list. */
function textOf(value: unknown, type: string): string {
  if (type.startsWith('json')) return JSON.stringify(value);
  if (value instanceof Date) return value.toISOString();
  return value instanceof Buffer ? `\\x${value.toString('hex')}` : String(value);
}

test.each<[type: string, values: unknown[], read?: unknown[]]>([
  ['text', texts],
  ['varchar', texts],
  ['bool', [true, false, null]],
  ['int2', [-32_768, 0, null, 32_767]],
  ['int4', [-2_147_483_648, null, 2_147_483_647]],
  ['int8', ['-9223372036854775808', null, '9223372036854775807']],
  ['float4', [0.5, -1.25, null]],
  ['float8', [0.1, -1e300, Number.POSITIVE_INFINITY, null]],
  ['numeric', ['0.10', '-12345678901234567890.5', null]],
  ['uuid', [id, null]],
  ['date', [day, null]],
  ['timestamptz', [instant, null]],
  ['timestamp', [instant, null], [new Date('2026-11-28T23:59:59.123'), null]],
  ['bytea', [Buffer.from([0, 34, 92, 255]), Buffer.alloc(0), null]],
  ['json', [{ a: ['b "c"', null] }, [1], 'x', null]],
  ['jsonb', [{ a: ['b "c"', null] }, [1], 'x', null]],
])('%s[] goes in as an array and comes back as it was', async (type, values, read = values) => {
  const given = values.map((value) => (value === null ? null : textOf(value, type)));
  const [row] = await connection.sql`
    select ${given}::text[]::${connection.sql.unsafe(type)}[] as cast, '{}'::${connection.sql.unsafe(type)}[] as empty`;
  expect(row?.cast).toEqual(read);
  expect(row?.empty).toEqual([]);
});

test('the parameter of each type is written in that type', async () => {
  const [row] = await connection.sql`
    select ${['a,b', null]}::text[] as texts, ${[1, null]}::int[] as numbers, ${[id]}::uuid[] as ids, ${'{1,2}'}::int[] as literal,
      ${[]}::uuid[] as none`;
  expect(row).toEqual({ texts: ['a,b', null], numbers: [1, null], ids: [id], literal: [1, 2], none: [] });
});

test.each<[unknown[]]>([[[['a']]], [['a', undefined]], [[Symbol('s')]]])(
  'an element without a flat form is refused (%#)',
  async (value) => {
    const fresh = new Connection(db.url, { onnotice: () => {} });
    await expect(fresh.sql`select ${value as string[]}::text[]`).rejects.toThrow(
      /An array for PostgreSQL has an element/,
    );
    fresh.discard(new Error('done'));
  },
);

test('a connection that is cut while it is being opened fails for who asked, and leaves no failure that nobody hears', async () => {
  const owner = postgres(db.ownerUrl, { max: 1, onnotice: () => {} });
  const heard: unknown[] = [];
  for (let round = 0; round < 40; round++) {
    const fresh = new Connection(db.url, { onnotice: () => {}, connection: { application_name: 'cut at once' } });
    const asked = fresh
      .run((sql) => sql`select 1`)
      .then(
        () => 'answered',
        () => 'failed',
      );
    let open = true;
    void asked.then(() => (open = false));
    while (open)
      await owner`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut at once'`;
    heard.push(await asked);
    fresh.discard(new Error('done'));
  }
  await owner.end();
  // Vitest fails a run with a rejection that nobody handles.
  expect(heard).toContain('failed');
});
