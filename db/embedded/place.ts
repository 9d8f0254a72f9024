/**
 * Where the data of the embedded PostgreSQL lies: in the data folder; or, when root starts it from a folder that the
 * unprivileged user can not reach, under /var/lib/tsumugi with a link in the data folder.
 */

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { systemFolder } from './binaries.ts';
import { isInitialized } from './cluster.ts';
import { canReach, ensurePostgresUser, isRoot, type SystemUser } from './system-user.ts';

export type Place = {
  user: SystemUser | undefined;
  /** The cluster, free of links. Does not exist yet when `fresh`. */
  folder: string;
  fresh: boolean;
};

const majorVersion = '18';

/** @param dataDir exists; absolute. */
export function choosePlace(dataDir: string, log: (line: string) => void): Place {
  const inside = join(dataDir, 'postgres');
  if (exists(inside)) return existing(inside, log);
  const user = ensurePostgresUser(log);
  openForUser(user, dataDir);
  if (canReach(user, inside)) return { user, folder: join(realpathSync(dataDir), 'postgres'), fresh: true };
  const outside = join(systemFolder, `data-${randomBytes(4).toString('hex')}`, 'postgres');
  // Root's own folder: PostgreSQL's user passes through and owns only its cluster.
  mkdirSync(dirname(outside), { recursive: true, mode: 0o711 });
  symlinkSync(outside, inside);
  log(`the data of PostgreSQL goes to ${outside}, because its user cannot reach ${inside}; a link there points to it`);
  return { user, folder: outside, fresh: true };
}

function existing(inside: string, log: (line: string) => void): Place {
  if (!existsSync(inside)) {
    // A link whose target was not made yet: the first start was cut off; or its target was removed.
    const target = readlinkSync(inside);
    if (!existsSync(dirname(target)))
      throw new Error(`${inside} points to ${target}, which is gone. Restore it, or remove the link to begin anew.`);
    return { user: ensurePostgresUser(log), folder: target, fresh: true };
  }
  const folder = realpathSync(inside);
  if (readdirSync(folder).length === 0) {
    rmdirSync(folder);
    return { user: ensurePostgresUser(log), folder, fresh: true };
  }
  if (!isInitialized(folder))
    throw new Error(`${folder} is not a PostgreSQL cluster. Move it away, or set TSUMUGI_DATA_DIR.`);
  const version = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim();
  if (version !== majorVersion)
    throw new Error(
      `${folder} was made by PostgreSQL ${version}, this one is ${majorVersion}. Use pg_dump and restore.`,
    );
  return { user: ownerOf(folder, log), folder, fresh: false };
}

/** PostgreSQL must run as the owner of its files: also when root starts what a person began. */
function ownerOf(folder: string, log: (line: string) => void): SystemUser | undefined {
  const { uid, gid } = statSync(folder);
  if (!isRoot()) {
    if (process.getuid && uid !== process.getuid())
      throw new Error(`${folder} belongs to another user (uid ${uid}). Start as that user or as root.`);
    return undefined;
  }
  const known = ensurePostgresUser(log);
  return known?.uid === uid ? known : { name: String(uid), uid, gid };
}

/** What is secret in the data folder is closed by itself, so passing through it can be allowed. */
function openForUser(user: SystemUser | undefined, dataDir: string): void {
  if (!user) return;
  const { mode, uid } = statSync(dataDir);
  if (uid === 0 && (mode & 0o001) === 0) chmodSync(dataDir, (mode & 0o777) | 0o011);
}

/** Makes an empty folder that PostgreSQL's user owns. */
export function makeOwned(folder: string, user: SystemUser | undefined): void {
  mkdirSync(folder, { mode: 0o700 });
  if (user) chownSync(folder, user.uid, user.gid);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
