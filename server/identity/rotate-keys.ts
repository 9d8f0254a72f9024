/**
 * Rotation of keys while servers run: `npm run keys -- rotate`.
 *
 * 1. A new master key is put in front of the key file (for keys of a setting the operator does that), and every data key and
 *    hash key is wrapped anew. A server that meets a key id it does not know reads the file again.
 * 2. `hashes`: a new version of the hash key; mails are hashed anew. Both versions are looked up meanwhile.
 * 3. `data`: every user gets a fresh data key; cells are encrypted anew. Cells of tables that only grow keep their key.
 *
 * Every step goes in small transactions and may be broken off: started again it finishes what is left before it begins
 * anything new. Old master keys stay until `retireMasterKey`, which refuses while anything needs them. Prints counts only.
 */
import type { Database, Tx } from '../../db/client.ts';
import { type EncryptedColumn, encryptedColumns } from '../../db/columns/registry.ts';
import type { ColumnKeys } from '../../db/keys/column-keys.ts';
import { wrapAddress } from '../../db/keys/data-keys.ts';
import { MasterKeyFile, type MasterKeySource } from '../../db/keys/master-key-source.ts';
import * as keyRows from '../../db/keys/queries.ts';
import * as rotation from '../../db/keys/rotation.ts';
import { MAIL_HASH, mailCell } from './mail.ts';
import { checkMail } from './rules.ts';

export type RotationOptions = Readonly<{
  /** Also a new version of the hash key. */
  hashes?: boolean;
  /** Also fresh data keys. */
  data?: boolean;
  /** Data keys younger than this are fresh already (made by a run that was broken off, perhaps). Default an hour. */
  freshMs?: number;
  batch?: number;
  now?: () => number;
}>;

export type RotationParts = Readonly<{
  db: Database;
  keys: ColumnKeys;
  source: MasterKeySource;
  print: (line: string) => void;
}>;

/** @throws Error when a setting's keys leave nothing to rotate to; otherwise safe to start again at any time. */
export async function rotateKeys(parts: RotationParts, options: RotationOptions = {}): Promise<void> {
  const batch = options.batch ?? 200;
  await rotateMasterKey(parts, batch);
  if (options.hashes === true) await rotateHashKey(parts, batch);
  if (options.data === true) await rotateDataKeys(parts, batch, options);
}

/** Takes a master key out of the file for good. @throws Error while any key is wrapped by it, or when it encrypts. */
export async function retireMasterKey(parts: RotationParts, id: string): Promise<void> {
  if (!(parts.source instanceof MasterKeyFile))
    throw new Error('These master keys stand in a setting; take the key out there.');
  if (parts.keys.ring.activeId === id) throw new Error(`"${id}" is the active master key; rotate first.`);
  const counts = await parts.db.asService((tx) => keyRows.countByMasterKey(tx));
  const used = counts.find((row) => row.master_key_id === id)?.keys ?? 0;
  if (used > 0) throw new Error(`${used} keys are still wrapped by "${id}"; rotate again first.`);
  parts.source.remove(id);
  parts.keys.ring.reload();
  parts.print(`Master key ${id} is gone.`);
}

async function rotateMasterKey({ db, keys, source, print }: RotationParts, batch: number): Promise<void> {
  const stale = async () =>
    (await db.asService((tx) => keyRows.countByMasterKey(tx))).filter(
      (row) => row.master_key_id !== keys.ring.activeId,
    );
  const before = await stale();
  if (before.length > 0) print(`Finishing a rotation: some keys are not yet wrapped by ${keys.ring.activeId}.`);
  else if (source instanceof MasterKeyFile) print(`New master key ${source.addActive()}.`);
  else
    print(
      `Everything is wrapped by ${keys.ring.activeId}, the first key of the setting; put a new one in front to rotate.`,
    );
  let wrapped = 0;
  for (;;) {
    const count = await db.asService((tx) => rewrapBatch(tx, keys, batch));
    if (count === 0) break;
    wrapped += count;
    print(`Data keys wrapped anew: ${wrapped}.`);
  }
  const hashKeys = await db.asService((tx) => keys.hashKeys.rewrap(tx));
  print(`Done: ${wrapped} data keys and ${hashKeys} hash keys wrapped by ${keys.ring.activeId}.`);
}

async function rewrapBatch(tx: Tx, keys: ColumnKeys, batch: number): Promise<number> {
  const rows = await keyRows.lockDataKeysNotWrappedBy(tx, keys.ring.activeId, batch);
  const anew = rows.map((row) => {
    const at = wrapAddress(row.id);
    const key = keys.ring.unwrap({ masterKeyId: row.master_key_id, wrapped: row.wrapped_key }, at);
    const { masterKeyId, wrapped } = keys.ring.wrap(key, at);
    return { ...row, master_key_id: masterKeyId, wrapped_key: wrapped };
  });
  await keyRows.rewrapDataKeys(tx, anew);
  return rows.length;
}

async function rotateHashKey({ db, keys, print }: RotationParts, batch: number): Promise<void> {
  const versions = await db.asService((tx) => keyRows.selectHashKeys(tx));
  const version =
    versions.length > 1 ? (versions[0]?.version ?? 0) : await db.asService((tx) => keys.hashKeys.addVersion(tx));
  let hashed = 0;
  for (;;) {
    const count = await db.asService((tx) => rehashBatch(tx, keys, version, batch));
    if (count === 0) break;
    hashed += count;
    print(`Mails hashed anew: ${hashed}.`);
  }
  await db.asService(async (tx) => {
    await keyRows.lockHashesExclusive(tx);
    for (const unused of await rotation.selectUnusedHashVersions(tx)) await keyRows.deleteHashKey(tx, unused);
  });
  print(`Done: ${hashed} mails hashed by version ${version}.`);
}

/** Under the exclusive lock: nobody looks up between reading the versions and finding the row. */
async function rehashBatch(tx: Tx, keys: ColumnKeys, version: number, batch: number): Promise<number> {
  await keyRows.lockHashesExclusive(tx);
  const users = await rotation.lockUsersHashedBefore(tx, version, batch);
  for (const user of users) {
    const mail = await keys.cells.decrypt(tx, mailCell(user.id), user.email_enc);
    const [newest] = await keys.hashKeys.hashesOf(tx, MAIL_HASH, checkMail(mail).normal);
    await rotation.updateMailHash(tx, user.id, newest.hash, newest.version);
  }
  return users.length;
}

async function rotateDataKeys(
  { db, keys, print }: RotationParts,
  batch: number,
  options: RotationOptions,
): Promise<void> {
  const nowMs = (options.now ?? Date.now)();
  const beforeMs = nowMs - (options.freshMs ?? 3_600_000);
  let done = 0;
  let after: string | null = null;
  for (;;) {
    const cursor: string | null = after;
    const users: string[] = await db.asService((tx) => rotation.selectUsersWithKeysBefore(tx, beforeMs, cursor, batch));
    for (const userId of users) await renewDataKey(db, keys, userId, nowMs);
    done += users.length;
    after = users.at(-1) ?? null;
    if (after === null) break;
    print(`Users with fresh data keys: ${done}.`);
  }
  print(`Done: ${done} users have fresh data keys.`);
}

/** Key and cells of one user change together, so that a broken off run leaves each user entirely old or entirely new. */
async function renewDataKey(db: Database, keys: ColumnKeys, userId: string, nowMs: number): Promise<void> {
  try {
    await db.asService(async (tx) => {
      await keyRows.retireActiveDataKey(tx, userId, nowMs);
      await keys.dataKeys.createFor(tx, userId);
      keys.dataKeys.forget(userId);
      for (const column of encryptedColumns) if (column.mutable) await reencryptCells(tx, keys, column, userId);
    });
  } catch (error) {
    // What was remembered on the way belongs to a transaction that never was.
    keys.dataKeys.forget(userId);
    throw error;
  }
}

async function reencryptCells(tx: Tx, keys: ColumnKeys, column: EncryptedColumn, userId: string): Promise<void> {
  for (const { row_id: rowId, sealed } of await rotation.lockCells(tx, column, userId)) {
    const cell = { table: column.table, column: column.column, rowId };
    const text = await keys.cells.decrypt(tx, cell, sealed);
    await rotation.updateCell(tx, column, rowId, await keys.cells.encrypt(tx, userId, cell, text));
  }
}
