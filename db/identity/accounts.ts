/** SQL of accounts, profiles, credentials and roles. One operation a function; who may do it is decided elsewhere. */
import type { Tx } from '../client.ts';

export type CredentialRow = {
  user_id: string;
  status: string;
  password_hash: string;
  password_scheme: string;
  email_enc: Buffer;
};

/** The live account with one of these keyed hashes. */
export async function findCredential(tx: Tx, hashes: readonly Buffer[]): Promise<CredentialRow | undefined> {
  const [row] = await tx.sql<CredentialRow[]>`
    select u.id as user_id, u.status, u.email_enc, c.password_hash, c.password_scheme
    from identity.users u join identity.credentials c on c.user_id = u.id
    where u.email_hash in (select decode(given.hex, 'hex') from unnest(${inHex(hashes)}::text[]) given (hex)) and u.deleted_at is null`;
  return row;
}

export async function findUserIdByMail(tx: Tx, hashes: readonly Buffer[]): Promise<string | undefined> {
  const [row] = await tx.sql<{ id: string }[]>`
    select id from identity.users where email_hash in (select decode(given.hex, 'hex') from unnest(${inHex(hashes)}::text[]) given (hex)) and deleted_at is null`;
  return row?.id;
}

export async function findCredentialOf(tx: Tx, userId: string): Promise<CredentialRow | undefined> {
  const [row] = await tx.sql<CredentialRow[]>`
    select u.id as user_id, u.status, u.email_enc, c.password_hash, c.password_scheme
    from identity.users u join identity.credentials c on c.user_id = u.id
    where u.id = ${userId} and u.deleted_at is null`;
  return row;
}

export type NewUser = {
  id: string;
  email_hash: Buffer;
  email_hash_version: number;
  locale: string;
  nowMs: number;
};

/** @returns false when a live account has the same hash. */
export async function insertUser(tx: Tx, user: NewUser): Promise<boolean> {
  const now = new Date(user.nowMs);
  const { count } = await tx.sql`
    insert into identity.users (id, email_hash, email_hash_version, locale, created_at, updated_at)
    values (${user.id}, ${user.email_hash}, ${user.email_hash_version}, ${user.locale}, ${now}, ${now})
    on conflict do nothing`;
  return count === 1;
}

export async function setMail(tx: Tx, userId: string, emailEnc: Buffer): Promise<void> {
  await tx.sql`update identity.users set email_enc = ${emailEnc} where id = ${userId}`;
}

export async function insertProfile(tx: Tx, userId: string, displayName: string, timeZone: string): Promise<void> {
  await tx.sql`insert into identity.profiles (user_id, display_name, time_zone) values (${userId}, ${displayName}, ${timeZone})`;
}

export async function insertCredential(tx: Tx, userId: string, passwordHash: string): Promise<void> {
  await tx.sql`
    insert into identity.credentials (user_id, password_hash, password_scheme) values (${userId}, ${passwordHash}, 'argon2id')`;
}

/** @returns false when the password was changed since `expectedHash` was read. */
export async function replacePasswordHash(
  tx: Tx,
  userId: string,
  expectedHash: string,
  newHash: string,
  nowMs: number,
): Promise<boolean> {
  const { count } = await tx.sql`
    update identity.credentials set password_hash = ${newHash}, password_scheme = 'argon2id', changed_at = ${new Date(nowMs)}
    where user_id = ${userId} and password_hash = ${expectedHash}`;
  return count === 1;
}

/**
 * Notes a sign-in and locks the account's row, so that no suspension or change of roles slips in between.
 * @returns the password hash that holds now; undefined when the account is not active.
 */
export async function markSignedIn(tx: Tx, userId: string, nowMs: number): Promise<string | undefined> {
  const [row] = await tx.sql<{ password_hash: string }[]>`
    update identity.users u set last_sign_in_at = ${new Date(nowMs)}, updated_at = ${new Date(nowMs)}
    from identity.credentials c where u.id = ${userId} and u.status = 'active' and c.user_id = u.id
    returning c.password_hash`;
  return row?.password_hash;
}

/** Locks an account against changes of status and roles by others. @returns its status. */
export async function lockUser(tx: Tx, userId: string): Promise<string | undefined> {
  const [row] = await tx.sql<
    { status: string }[]
  >`select status from identity.users where id = ${userId} for no key update`;
  return row?.status;
}

/** @returns false when there is no such account that is not deleted. */
export async function updateStatus(tx: Tx, userId: string, status: 'active' | 'suspended'): Promise<boolean> {
  const { count } = await tx.sql`
    update identity.users set status = ${status}, updated_at = now() where id = ${userId} and deleted_at is null`;
  return count === 1;
}

export async function selectRoles(tx: Tx, userId: string): Promise<string[]> {
  const rows = await tx.sql<
    { role: string }[]
  >`select role from identity.user_roles where user_id = ${userId} order by role`;
  return rows.map((row) => row.role);
}

/** @returns false when the account has the role already. */
export async function insertRole(tx: Tx, userId: string, role: string, grantedBy: string | null): Promise<boolean> {
  const { count } = await tx.sql`
    insert into identity.user_roles (user_id, role, granted_by) values (${userId}, ${role}, ${grantedBy}) on conflict do nothing`;
  return count === 1;
}

/** @returns false when the account did not have the role. */
export async function deleteRole(tx: Tx, userId: string, role: string): Promise<boolean> {
  const { count } = await tx.sql`delete from identity.user_roles where user_id = ${userId} and role = ${role}`;
  return count === 1;
}

export type AccountRow = {
  user_id: string;
  email_enc: Buffer | null;
  display_name: string;
  locale: 'en' | 'ja';
  time_zone: string;
  status: string;
  roles: string[];
  created_ms: number;
  last_sign_in_ms: number | null;
};

export async function findAccount(tx: Tx, userId: string): Promise<AccountRow | undefined> {
  const [row] = await selectAccounts(tx, { userId, limit: 1 });
  return row;
}

/** Newest first. `before` is the id of the last row of the page before (ids are ordered by time). */
export async function selectAccounts(
  tx: Tx,
  page: { userId?: string; before?: string; limit: number },
): Promise<AccountRow[]> {
  return tx.sql<AccountRow[]>`
    select u.id as user_id, u.email_enc, p.display_name, u.locale, p.time_zone, u.status,
      array(select r.role from identity.user_roles r where r.user_id = u.id order by 1) as roles,
      (extract(epoch from u.created_at) * 1000)::float8 as created_ms,
      (extract(epoch from u.last_sign_in_at) * 1000)::float8 as last_sign_in_ms
    from identity.users u join identity.profiles p on p.user_id = u.id
    where (${page.userId ?? null}::uuid is null or u.id = ${page.userId ?? null}::uuid)
      and (${page.before ?? null}::uuid is null or u.id < ${page.before ?? null}::uuid)
    order by u.id desc limit ${page.limit}`;
}

export async function updateProfile(
  tx: Tx,
  userId: string,
  change: { displayName?: string | undefined; timeZone?: string | undefined; locale?: string | undefined },
  nowMs: number,
): Promise<void> {
  const now = new Date(nowMs);
  // Locks go from the account's row to what belongs to it, as everywhere.
  if (change.locale !== undefined) {
    await tx.sql`update identity.users set locale = ${change.locale}, updated_at = ${now} where id = ${userId}`;
  }
  await tx.sql`
    update identity.profiles set display_name = coalesce(${change.displayName ?? null}, display_name),
      time_zone = coalesce(${change.timeZone ?? null}, time_zone), updated_at = ${now}
    where user_id = ${userId}`;
}

/** The driver takes a list of bytes for one value of bytes. */
function inHex(hashes: readonly Buffer[]): string[] {
  return hashes.map((hash) => hash.toString('hex'));
}
