/**
 * The login of the server: a member of `tsumugi_app` that owns nothing and passes no row level security. Made from the
 * owner's login; or, when the given login is such a member itself, accepted as it is.
 */
import { createHash } from 'node:crypto';
import postgres from 'postgres';
import { checkServerVersion, isCurrent, readMigrations } from './migrate.ts';

type Standing = {
  user: string;
  database: string;
  elevated: boolean;
  mayCreate: boolean;
  member: boolean;
  version: number;
};

/**
 * Makes or updates the login and gives the URL that the server uses.
 * @param password of the new login; only [A-Za-z0-9_-].
 * @throws Error in one line that says which SQL to run when `ownerUrl` may not create roles.
 */
export async function prepareAppLogin(ownerUrl: string, password: string): Promise<string> {
  if (!/^[\w-]{16,}$/.test(password)) throw new Error('The password of the login needs 16 or more of A-Z a-z 0-9 _ -.');
  const sql = postgres(ownerUrl, {
    max: 1,
    onnotice: () => {},
    fetch_types: false,
    connection: { application_name: 'tsumugi login' },
  });
  try {
    await checkServerVersion(sql);
    const standing = await readStanding(sql);
    const login = loginName(standing.database);
    if (!standing.mayCreate) throw new Error(notUsable(standing));
    await sql.begin((tx) => writeLogin(tx, standing, login, password));
    return withLogin(ownerUrl, login, password);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/**
 * True when the server can work with `url` itself: an unprivileged member of `tsumugi_app` on a current schema. Then there is
 * nothing to migrate and no login to make.
 * @throws Error in one line when it is neither that nor an owner who may make the login, or when the schema is not current.
 */
export async function isAppLogin(url: string): Promise<boolean> {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    fetch_types: false,
    connection: { application_name: 'tsumugi login' },
  });
  try {
    await checkServerVersion(sql);
    const standing = await readStanding(sql);
    if (standing.mayCreate) return false;
    if (standing.elevated || !standing.member) throw new Error(notUsable(standing));
    if (await isCurrent(sql, await readMigrations())) return true;
    throw new Error(
      `The schema of ${standing.database} is not current, and ${standing.user} may not change it. Start once with the owner's URL.`,
    );
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function readStanding(sql: postgres.Sql): Promise<Standing> {
  const [standing] = await sql<Standing[]>`
    select current_user as user, current_database() as database, rolsuper or rolbypassrls as elevated,
      rolsuper or rolcreaterole as "mayCreate",
      exists (select from pg_auth_members m join pg_roles g on g.oid = m.roleid
              where g.rolname = 'tsumugi_app' and m.member = r.oid) as member,
      current_setting('server_version_num')::int as version
    from pg_roles r where rolname = current_user`;
  if (!standing) throw new Error('The login of DATABASE_URL has vanished.');
  return standing;
}

async function writeLogin(
  sql: postgres.TransactionSql,
  standing: Standing,
  login: string,
  password: string,
): Promise<void> {
  // Roles belong to the whole cluster: two servers that start at once would fail on each other.
  await sql`select pg_advisory_xact_lock(hashtext('tsumugi login'))`;
  const role = quote(login);
  const [known] = await sql`select from pg_roles where rolname = ${login}`;
  const attributes = `LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '${password}'`;
  await sql.unsafe(
    known
      ? `ALTER ROLE ${role} WITH ${withoutStrangeWords(attributes, standing)}`
      : `CREATE ROLE ${role} WITH ${attributes}`,
  );
  // From 16 on a member need not be able to become the group.
  await sql.unsafe(`GRANT tsumugi_app TO ${role}${standing.version >= 160_000 ? ' WITH INHERIT TRUE, SET FALSE' : ''}`);
  const database = quote(standing.database);
  await sql
    .unsafe(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC; GRANT CONNECT ON DATABASE ${database} TO ${role}`)
    .simple();
}

/** Nobody but a superuser may name attributes that he has not himself in ALTER ROLE, even to refuse them. */
function withoutStrangeWords(attributes: string, standing: Standing): string {
  return standing.elevated ? attributes : attributes.replace(/ NO\w+/g, '');
}

function loginName(database: string): string {
  const plain = `tsumugi_login_${database}`;
  if (plain.length <= 63 && /^\w+$/.test(plain)) return plain;
  return `tsumugi_login_${createHash('sha256').update(database).digest('hex').slice(0, 24)}`;
}

/** Whoever follows it makes a login beside the one that an owner's start makes, and sets the password of anew. */
function notUsable({ user, database }: Standing): string {
  const member = `CREATE ROLE tsumugi_server LOGIN PASSWORD '...' IN ROLE tsumugi_app; GRANT CONNECT ON DATABASE ${quote(database)} TO tsumugi_server;`;
  return `The login ${user} of DATABASE_URL may not create roles, and is no plain member of tsumugi_app. Either run ALTER ROLE ${quote(user)} CREATEROLE; or start once with a superuser's URL, then run ${member} and put that login into DATABASE_URL.`;
}

function withLogin(url: string, login: string, password: string): string {
  const changed = new URL(url);
  changed.username = login;
  changed.password = password;
  return changed.href;
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
