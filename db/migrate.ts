/**
 * Brings a database to the schema of this version: the files of `migrations/`, in order, each in its own transaction together
 * with its record. Refuses a database that a newer version has touched, and a file that was changed after it ran.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';

export type Migration = {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
};
type Applied = { version: number; name: string; checksum: string };

export const oldestServer = 150_000;
const folder = fileURLToPath(new URL('./migrations/', import.meta.url));
/** Any constant: two servers that start at once must agree on it. */
const lockKey = 0x7473756d;

/** @throws Error when two files share a number. */
export async function readMigrations(from: string = folder): Promise<Migration[]> {
  const found: Migration[] = [];
  for (const file of (await readdir(from)).sort()) {
    const [, digits, name] = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file) ?? [];
    if (digits === undefined || name === undefined) continue;
    const sql = (await readFile(join(from, file), 'utf8')).replaceAll('\r\n', '\n');
    found.push({ version: Number(digits), name, sql, checksum: createHash('sha256').update(sql).digest('hex') });
  }
  for (const [index, { version, name }] of found.entries()) {
    if (found[index - 1]?.version === version) throw new Error(`Two migrations have the number ${version} (${name}).`);
  }
  return found;
}

/**
 * @param ownerUrl a login that may create schemas and roles.
 * @returns how many migrations ran.
 * @throws Error in one line that names the migration and what to do.
 */
export async function migrate(
  ownerUrl: string,
  options: { log?: (line: string) => void; migrations?: readonly Migration[] } = {},
): Promise<number> {
  const migrations = options.migrations ?? (await readMigrations());
  const sql = postgres(ownerUrl, {
    max: 1,
    onnotice: () => {},
    prepare: false,
    fetch_types: false,
    connection: { application_name: 'tsumugi migrate' },
  });
  try {
    await checkServerVersion(sql);
    await sql`select pg_advisory_lock(${lockKey})`;
    const open = checkHistory(migrations, await readHistory(sql));
    for (const migration of open) {
      await apply(sql, migration);
      options.log?.(`applied migration ${label(migration)}`);
    }
    return open.length;
  } finally {
    // Ends the session, and with it the lock.
    await sql.end({ timeout: 5 });
  }
}

/** True when the database has exactly the migrations of this version. Needs no more rights than reading the record. */
export async function isCurrent(sql: postgres.Sql, migrations: readonly Migration[]): Promise<boolean> {
  return checkHistory(migrations, await readHistory(sql)).length === 0;
}

/** @throws Error when the server is too old. */
export async function checkServerVersion(sql: postgres.Sql): Promise<void> {
  const [row] = await sql<{ number: number; text: string }[]>`
    select current_setting('server_version_num')::int as number, current_setting('server_version') as text`;
  if (row && row.number < oldestServer) throw new Error(`PostgreSQL ${row.text} is too old: 15 or newer is needed.`);
}

async function readHistory(sql: postgres.Sql): Promise<Applied[]> {
  const [known] = await sql<{ known: boolean }[]>`select to_regclass('ops.schema_migrations') is not null as known`;
  if (!known?.known) return [];
  return sql<
    Applied[]
  >`select version, name, checksum from ops.schema_migrations where component = 'tsumugi' order by version`;
}

/** @returns the migrations that have yet to run. */
export function checkHistory(migrations: readonly Migration[], history: readonly Applied[]): Migration[] {
  const byVersion = new Map(migrations.map((migration) => [migration.version, migration]));
  const done = new Set<number>();
  for (const applied of history) {
    const migration = byVersion.get(applied.version);
    if (!migration) {
      throw new Error(
        `The database has migration ${label(applied)}, which this version does not know: it was used by a newer version. Start that one.`,
      );
    }
    if (migration.checksum !== applied.checksum) {
      throw new Error(
        `Migration ${label(migration)} was changed after it ran on this database. Restore the file, and put the change into a new migration.`,
      );
    }
    done.add(applied.version);
  }
  return migrations.filter(({ version }) => !done.has(version));
}

async function apply(sql: postgres.Sql, migration: Migration): Promise<void> {
  try {
    await sql.begin(async (tx) => {
      await tx.unsafe(migration.sql).simple();
      await tx`insert into ops.schema_migrations (version, name, checksum) values (${migration.version}, ${migration.name}, ${migration.checksum})`;
    });
  } catch (error) {
    throw new Error(`Migration ${label(migration)} failed: ${describe(error, migration.sql)}`, { cause: error });
  }
}

function describe(error: unknown, source: string): string {
  const { message, position, where } = error as { message: string; position?: string; where?: string };
  const line = position ? ` (line ${source.slice(0, Number(position)).split('\n').length})` : '';
  return `${message}${line}${where ? ` in ${where.split('\n')[0]}` : ''}`;
}

function label({ version, name }: { version: number; name: string }): string {
  return `${String(version).padStart(4, '0')}_${name}`;
}
