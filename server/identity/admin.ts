/** What operators do with accounts: find, sign out, suspend, grant. Whoever calls has checked that an operator asks. */
import type { Database } from '../../db/client.ts';
import * as accounts from '../../db/identity/accounts.ts';
import type { ColumnKeys } from '../../db/keys/column-keys.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Audit } from './audit.ts';
import { MAIL_HASH, mailCell, maskMail } from './mail.ts';
import { checkMail } from './rules.ts';
import type { Sessions } from './sessions.ts';

/** An account as an operator sees it. */
export type AccountSummary = Readonly<{
  userId: string;
  maskedEmail: string;
  displayName: string;
  status: string;
  roles: readonly string[];
  createdAt: string;
  lastSignInAt: string | null;
}>;

type Parts = Readonly<{ db: Database; keys: ColumnKeys; clock: Clock; audit: Audit; sessions: Sessions }>;

export class IdentityAdmin {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @returns undefined when no live account has this mail. */
  async findUserId(email: string): Promise<string | undefined> {
    const { normal } = checkMail(email);
    return this.#parts.db.asService(async (tx) => {
      const hashes = await this.#parts.keys.hashKeys.hashesOf(tx, MAIL_HASH, normal);
      const found = await accounts.findUserIdByMail(
        tx,
        hashes.map((entry) => entry.hash),
      );
      return found;
    });
  }

  /** Newest first. @param page.before `nextBefore` of the page before. */
  async listAccounts(page: {
    userId?: string;
    before?: string;
    limit: number;
  }): Promise<{ accounts: AccountSummary[]; nextBefore: string | null }> {
    return this.#parts.db.asService(async (tx) => {
      const rows = await accounts.selectAccounts(tx, page);
      const summaries: AccountSummary[] = [];
      for (const row of rows) {
        const mail = row.email_enc && (await this.#parts.keys.cells.decrypt(tx, mailCell(row.user_id), row.email_enc));
        summaries.push({
          userId: row.user_id,
          maskedEmail: mail === null ? '' : maskMail(mail),
          displayName: row.display_name,
          status: row.status,
          roles: row.roles,
          createdAt: new Date(row.created_ms).toISOString(),
          lastSignInAt: row.last_sign_in_ms === null ? null : new Date(row.last_sign_in_ms).toISOString(),
        });
      }
      return { accounts: summaries, nextBefore: rows.length < page.limit ? null : (rows.at(-1)?.user_id ?? null) };
    });
  }

  /** Ends all sessions of an account. @returns how many were live. */
  async signOutUser(userId: string): Promise<number> {
    const { db, sessions, audit } = this.#parts;
    const ended = await db.asService(async (tx) => {
      const ids = await sessions.end(tx, userId, {}, 'admin');
      const event = { action: 'identity.session_ended', userId, actor: 'service', origin: undefined } as const;
      if (ids.length > 0) await audit.write(tx, { ...event, payload: { sessions: ids.length, reason: 'admin' } });
      return ids;
    });
    await sessions.announceEnded(userId, ended);
    return ended.length;
  }

  /** A suspended account cannot sign in, and all its sessions end at once. Idempotent. @throws AppError `ops.user_not_found`. */
  async setSuspended(userId: string, suspended: boolean): Promise<void> {
    const { db, sessions, audit } = this.#parts;
    const ended = await db.asService(async (tx) => {
      await accounts.lockUser(tx, userId);
      const status = suspended ? 'suspended' : 'active';
      if (!(await accounts.updateStatus(tx, userId, status))) throw new AppError('ops.user_not_found');
      await audit.write(tx, {
        action: 'identity.status_changed',
        userId,
        actor: 'service',
        origin: undefined,
        payload: { status },
      });
      return suspended ? sessions.end(tx, userId, {}, 'admin') : [];
    });
    await sessions.announceEnded(userId, ended);
  }

  /** Idempotent. @throws AppError `ops.user_not_found`. */
  async grantRole(userId: string, role: 'admin', grantedBy: string | null): Promise<void> {
    await this.#changeRole(userId, 'identity.role_granted', role, (tx) =>
      accounts.insertRole(tx, userId, role, grantedBy),
    );
  }

  /** Idempotent. @throws AppError `ops.user_not_found`. */
  async revokeRole(userId: string, role: 'admin'): Promise<void> {
    await this.#changeRole(userId, 'identity.role_revoked', role, (tx) => accounts.deleteRole(tx, userId, role));
  }

  async #changeRole(
    userId: string,
    action: 'identity.role_granted' | 'identity.role_revoked',
    role: string,
    change: (tx: Parameters<typeof accounts.selectRoles>[0]) => Promise<boolean>,
  ): Promise<void> {
    const { db, sessions, audit } = this.#parts;
    const changed = await db.asService(async (tx) => {
      // Locked, so that no session that is being opened or refreshed right now keeps the old roles.
      if ((await accounts.lockUser(tx, userId)) === undefined) throw new AppError('ops.user_not_found');
      if (await change(tx))
        await audit.write(tx, { action, userId, actor: 'service', origin: undefined, payload: { role } });
      return sessions.forgetRoles(tx, userId);
    });
    await sessions.announceChanged(userId, changed);
  }
}

/** The command that makes the first operator. @throws AppError `ops.user_not_found`. */
export async function grantAdmin(
  identity: { readonly admin: IdentityAdmin },
  email: string,
): Promise<{ userId: string }> {
  const userId = await identity.admin.findUserId(email);
  if (userId === undefined) throw new AppError('ops.user_not_found');
  await identity.admin.grantRole(userId, 'admin', null);
  return { userId };
}
