/**
 * Under whose name PostgreSQL runs. It refuses to run as root, so root hands it to an unprivileged system user; everybody
 * else runs it as himself. Owns the look-up and the making of that user, and the question what he can reach.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Undefined ids: the caller's own. */
export type SystemUser = { readonly name: string; readonly uid: number; readonly gid: number };

/** A name of our own: the user `postgres` may belong to a PostgreSQL of the system, whose files are none of our business. */
const userName = 'tsumugi-postgres';

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * The user that PostgreSQL must run as; undefined when it is the caller himself. Makes the user when it is missing.
 * @throws Error that says what to do when the user can not be made.
 */
export function ensurePostgresUser(log: (line: string) => void): SystemUser | undefined {
  if (!isRoot()) return undefined;
  const known = findUser(userName);
  if (known) return known;
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', userName],
      {
        stdio: 'pipe',
      },
    );
  } catch (error) {
    const raced = findUser(userName);
    if (raced) return raced;
    throw new Error(
      `PostgreSQL does not run as root, and the system user ${userName} could not be made (${reasonOf(error)}). Start as an ordinary user, or set DATABASE_URL.`,
    );
  }
  const made = findUser(userName);
  if (!made)
    throw new Error(`The system user ${userName} was made but is not in /etc/passwd. Set DATABASE_URL instead.`);
  log(
    `created the system user ${userName} (uid ${made.uid}), because PostgreSQL does not run as root; \`userdel ${userName}\` removes it`,
  );
  return made;
}

function findUser(name: string): SystemUser | undefined {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [login, , uid, gid] = line.split(':');
    if (login === name) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: Buffer; message: string };
  return stderr?.toString().trim() || message;
}

/** True when `user` may pass through every folder above `path`. Looks at modes only. */
export function canReach(user: SystemUser | undefined, path: string): boolean {
  if (!user) return true;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const needed = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & needed) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
