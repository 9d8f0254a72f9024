/**
 * Accounts: signing up and in, the profile, the password, roles. Sessions and tokens are kept by `sessions.ts`.
 *
 * What an outsider can learn: signing in answers alike, after the same work, for a wrong password and an unknown mail.
 * Signing up says `identity.email_taken`; a server that sends no mail has no other way to tell its owner. It is limited per
 * address and always pays for a password hash first, so it is a slow oracle, and the message names no account.
 */
import type { Database, Tx } from '../../db/client.ts';
import * as accounts from '../../db/identity/accounts.ts';
import { hasSession, selectLiveSessions } from '../../db/identity/sessions.ts';
import type { ColumnKeys } from '../../db/keys/column-keys.ts';
import type { LiveStore } from '../../db/live/live-store.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Account, SessionInfo } from '../../protocol/identity.ts';
import { type Clock, systemClock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Authenticator, Principal } from '../http.ts';
import { IdentityAdmin } from './admin.ts';
import { Audit, type Origin } from './audit.ts';
import { defaultLimits, type IdentityLimits, RateLimits } from './limits.ts';
import { MAIL_HASH, mailCell } from './mail.ts';
import { Passwords } from './passwords.ts';
import { checkDisplayName, checkLocale, checkMail, checkNewPassword, checkTimeZone } from './rules.ts';
import {
  defaultSessionOptions,
  type IssuedTokens,
  type SessionEnded,
  type SessionOptions,
  Sessions,
} from './sessions.ts';

export type IdentityOptions = Readonly<{
  db: Database;
  live: LiveStore;
  keys: ColumnKeys;
  passwords?: Passwords;
  clock?: Clock;
  limits?: Partial<IdentityLimits>;
  sessions?: Partial<SessionOptions>;
  /** Acts in the transaction of a sign-up: what it writes exists if and only if the account does. */
  /** In the transaction that makes the account. @returns what is left to do when it has committed; it cannot undo the account. */
  onSignedUp?: (tx: Tx, userId: string) => Promise<(() => Promise<void>) | undefined>;
  onSessionEnded?: SessionEnded;
}>;

export type SignUp = Readonly<{
  email: string;
  password: string;
  displayName?: string | undefined;
  locale?: string | undefined;
  timeZone?: string | undefined;
}>;

type Who = Readonly<{ userId: string; sessionId: string }>;
const DEFAULT_TIME_ZONE = 'Asia/Tokyo';
/** A page of sessions unless told otherwise. */
const SESSIONS_PAGE = 50;

export class IdentityService {
  readonly passwords: Passwords;
  /** What operators do with accounts. */
  readonly admin: IdentityAdmin;
  readonly #db: Database;
  readonly #keys: ColumnKeys;
  readonly #clock: Clock;
  readonly #audit: Audit;
  readonly #limits: RateLimits;
  readonly #sessions: Sessions;
  readonly #onSignedUp: NonNullable<IdentityOptions['onSignedUp']>;

  constructor(options: IdentityOptions) {
    this.#db = options.db;
    this.#keys = options.keys;
    this.#clock = options.clock ?? systemClock;
    this.passwords = options.passwords ?? new Passwords();
    this.#audit = new Audit(options.keys.cells, this.#clock);
    this.#limits = new RateLimits(options.live, { ...defaultLimits, ...options.limits });
    this.#onSignedUp = options.onSignedUp ?? (async () => undefined);
    this.#sessions = new Sessions({
      db: options.db,
      live: options.live,
      clock: this.#clock,
      audit: this.#audit,
      options: { ...defaultSessionOptions, ...options.sessions },
      onEnded: options.onSessionEnded ?? (() => {}),
    });
    const parts = {
      db: options.db,
      keys: options.keys,
      clock: this.#clock,
      audit: this.#audit,
      sessions: this.#sessions,
    };
    this.admin = new IdentityAdmin(parts);
  }

  /** Prepares keys and listens to the other gateways. @throws UnknownMasterKeyError when the keys do not fit the database. */
  async start(): Promise<void> {
    await this.#keys.prepare(this.#db);
    await this.passwords.warmUp();
    await this.#sessions.start();
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  /** Whom tokens and tickets stand for; the gateway asks it at every upgrade and request. */
  get authenticator(): Authenticator {
    return { fromBearer: (token) => this.authenticate(token), fromTicket: (ticket) => this.redeemTicket(ticket) };
  }

  /** Makes an account and its first session. @throws AppError `identity.email_taken`, `identity.weak_password`, `busy`. */
  async signUp(given: SignUp, origin: Origin): Promise<IssuedTokens> {
    const { mail, normal } = checkMail(given.email);
    const password = checkNewPassword(given.password, normal);
    // No name rather than the local part of the mail: others see it.
    const displayName = checkDisplayName(given.displayName ?? '');
    const locale = checkLocale(given.locale ?? 'en');
    const timeZone = checkTimeZone(given.timeZone ?? DEFAULT_TIME_ZONE);
    await this.#limits.signUp(origin.address);
    const passwordHash = await this.passwords.hash(password);
    const issued = await this.#db.asService(async (tx) => {
      const nowMs = this.#clock.now();
      const userId = uuidv7(nowMs);
      const hashes = await this.#keys.hashKeys.hashesOf(tx, MAIL_HASH, normal);
      const [{ hash, version }] = hashes;
      const taken = await accounts.findUserIdByMail(
        tx,
        hashes.map((entry) => entry.hash),
      );
      const user = { id: userId, email_hash: hash, email_hash_version: version, locale, nowMs };
      // The row first, its mail after: the data key belongs to the row, and the mail is encrypted under the data key.
      if (taken !== undefined || !(await accounts.insertUser(tx, user))) {
        await this.#audit.write(tx, { action: 'identity.sign_up_refused', userId: null, actor: 'anonymous', origin });
        return undefined;
      }
      await this.#keys.dataKeys.createFor(tx, userId);
      await accounts.setMail(tx, userId, await this.#keys.cells.encrypt(tx, userId, mailCell(userId), mail));
      await accounts.insertProfile(tx, userId, displayName, timeZone);
      await accounts.insertCredential(tx, userId, passwordHash);
      const followUp = await this.#onSignedUp(tx, userId);
      const tokens = await this.#sessions.open(tx, userId, origin);
      await this.#audit.write(tx, {
        action: 'identity.sign_up',
        userId,
        actor: 'user',
        origin,
        sessionId: tokens.sessionId,
      });
      return { tokens, followUp };
    });
    if (issued === undefined) throw new AppError('identity.email_taken');
    await issued.followUp?.();
    return issued.tokens;
  }

  /** @throws AppError `identity.invalid_credentials`, `identity.forbidden` (suspended), `protocol.rate_limited`, `busy`. */
  async signIn(email: string, password: string, origin: Origin): Promise<IssuedTokens> {
    await this.#limits.signIn(origin.address);
    const { normal } = checkMail(email);
    const { account, found } = await this.#db.asService(async (tx) => {
      const hashes = await this.#keys.hashKeys.hashesOf(tx, MAIL_HASH, normal);
      const row = await accounts.findCredential(
        tx,
        hashes.map((entry) => entry.hash),
      );
      return { account: hashes[0].hash.toString('base64url'), found: row };
    });
    const giveBack = await this.#limits.passwordTry(account, origin.address);
    const issued = (await this.#matches(found, password)) ? await this.#signInAs(found, password, origin) : undefined;
    if (issued === undefined) {
      const event = {
        action: 'identity.sign_in_failed',
        userId: found?.user_id ?? null,
        actor: 'anonymous',
        origin,
      } as const;
      await this.#db.asService((tx) => this.#audit.write(tx, event));
      throw new AppError('identity.invalid_credentials');
    }
    await giveBack();
    return issued;
  }

  /** @throws AppError `identity.unauthenticated`; `identity.token_reused` once the session has been ended for it. */
  async refresh(refreshToken: string, origin: Origin): Promise<IssuedTokens> {
    await this.#limits.refresh(origin.address);
    return this.#sessions.refresh(refreshToken, origin);
  }

  findByRefreshToken(refreshToken: string): Promise<Principal | undefined> {
    return this.#sessions.findByRefreshToken(refreshToken);
  }

  authenticate(accessToken: string): Promise<Principal> {
    return this.#sessions.authenticate(accessToken);
  }

  async createSocketTicket(principal: Principal): Promise<{ ticket: string; expiresInS: number }> {
    return this.#sessions.createTicket(principal, (once) => this.#limits.ticket(principal.userId, once));
  }

  redeemTicket(ticket: string): Promise<Principal> {
    return this.#sessions.redeemTicket(ticket);
  }

  /** Ends the caller's session, or all of the account. Idempotent. */
  async signOut(who: Who, all: boolean, origin?: Origin): Promise<void> {
    const ended = await this.#db.asService(async (tx) => {
      const ids = await this.#sessions.end(tx, who.userId, all ? {} : { only: who.sessionId }, 'sign_out');
      const payload = { sessions: ids.length };
      const event = {
        action: 'identity.sign_out',
        userId: who.userId,
        actor: 'user',
        sessionId: who.sessionId,
      } as const;
      if (ids.length > 0) await this.#audit.write(tx, { ...event, origin, payload });
      return ids;
    });
    // Also what had ended before: a retry after a lost announcement must still close the sockets.
    await this.#sessions.announceEnded(who.userId, [...new Set([...ended, who.sessionId])]);
  }

  async me(userId: string): Promise<Account> {
    return this.#db.asUser(userId, (tx) => this.#account(tx, userId));
  }

  async updateProfile(
    userId: string,
    change: { displayName?: string | undefined; locale?: string | undefined; timeZone?: string | undefined },
  ): Promise<Account> {
    const checked = {
      displayName: change.displayName === undefined ? undefined : checkDisplayName(change.displayName),
      locale: change.locale === undefined ? undefined : checkLocale(change.locale),
      timeZone: change.timeZone === undefined ? undefined : checkTimeZone(change.timeZone),
    };
    return this.#db.asUser(userId, async (tx) => {
      await accounts.updateProfile(tx, userId, checked, this.#clock.now());
      return this.#account(tx, userId);
    });
  }

  /** Ends every other session. @throws AppError `identity.invalid_credentials`, `identity.weak_password`. */
  async changePassword(who: Who, currentPassword: string, newPassword: string, origin?: Origin): Promise<void> {
    const found = await this.#db.asService((tx) => accounts.findCredentialOf(tx, who.userId));
    if (found === undefined) throw new AppError('identity.unauthenticated');
    const giveBack = await this.#limits.passwordTry(`user:${who.userId}`, 'signed in');
    if (!(await this.#matches(found, currentPassword))) {
      const event = { action: 'identity.password_change_failed', userId: who.userId, actor: 'user', origin } as const;
      await this.#db.asService((tx) => this.#audit.write(tx, { ...event, sessionId: who.sessionId }));
      throw wrongCurrentPassword();
    }
    await giveBack();
    const mail = await this.#db.asService((tx) => this.#keys.cells.decrypt(tx, mailCell(who.userId), found.email_enc));
    const newHash = await this.passwords.hash(checkNewPassword(newPassword, checkMail(mail).normal));
    const ended = await this.#db.asService(async (tx) => {
      await accounts.lockUser(tx, who.userId);
      const nowMs = this.#clock.now();
      if (!(await accounts.replacePasswordHash(tx, who.userId, found.password_hash, newHash, nowMs))) {
        throw wrongCurrentPassword();
      }
      const ids = await this.#sessions.end(tx, who.userId, { except: who.sessionId }, 'password_change');
      const event = { action: 'identity.password_changed', userId: who.userId, actor: 'user', origin } as const;
      await this.#audit.write(tx, { ...event, sessionId: who.sessionId, payload: { sessions: ids.length } });
      return ids;
    });
    await this.#sessions.announceEnded(who.userId, ended);
  }

  async listSessions(
    who: Who,
    { before = null, limit = SESSIONS_PAGE }: { before?: string | null; limit?: number } = {},
  ): Promise<{ sessions: SessionInfo[]; nextBefore: string | null }> {
    const nowMs = this.#clock.now();
    const rows = await this.#db.asUser(who.userId, async (tx) => {
      if (before !== null && !(await hasSession(tx, who.userId, before)))
        throw AppError.invalid('before', '`nextBefore` of the page before');
      return selectLiveSessions(tx, who.userId, nowMs, { before, limit: limit + 1 });
    });
    const sessions = rows.slice(0, limit).map((row) => ({
      sessionId: row.id,
      current: row.id === who.sessionId,
      userAgent: row.user_agent,
      createdAt: new Date(row.created_ms).toISOString(),
      lastSeenAt: new Date(row.updated_ms).toISOString(),
    }));
    return { sessions, nextBefore: rows.length > limit ? (sessions.at(-1)?.sessionId ?? null) : null };
  }

  /** @throws AppError `identity.session_not_found` also for a session of somebody else. */
  async endSession(who: Who, sessionId: string, origin?: Origin): Promise<void> {
    const ended = await this.#db.asService(async (tx) => {
      const ids = await this.#sessions.end(tx, who.userId, { only: sessionId }, 'ended');
      const event = { action: 'identity.session_ended', userId: who.userId, actor: 'user', origin, sessionId } as const;
      if (ids.length > 0) await this.#audit.write(tx, event);
      return ids;
    });
    if (ended.length === 0) throw new AppError('identity.session_not_found');
    await this.#sessions.announceEnded(who.userId, ended);
  }

  /** Those of the given sessions that are over; gateways ask now and then, in case news was lost. */
  findEndedSessions(sessionIds: readonly string[]): Promise<string[]> {
    return this.#sessions.findEnded(sessionIds);
  }

  /** Removes tokens that ran out. The server calls it on a timer. */
  sweep(): Promise<void> {
    return this.#sessions.sweep();
  }

  #matches(found: accounts.CredentialRow | undefined, password: string): Promise<boolean> {
    return this.passwords.verify(found && { hash: found.password_hash, scheme: found.password_scheme }, password);
  }

  /** @returns undefined when the password was changed while this one was being checked. */
  async #signInAs(
    found: accounts.CredentialRow | undefined,
    password: string,
    origin: Origin,
  ): Promise<IssuedTokens | undefined> {
    if (found === undefined) return undefined;
    // Said only to who knows the password.
    if (found.status !== 'active') throw new AppError('identity.forbidden', { reason: 'suspended' });
    const userId = found.user_id;
    const better = this.passwords.needsRehash(found.password_hash) ? await this.passwords.hash(password) : undefined;
    return this.#db.asService(async (tx) => {
      const nowMs = this.#clock.now();
      if ((await accounts.markSignedIn(tx, userId, nowMs)) !== found.password_hash) return undefined;
      if (better !== undefined) await accounts.replacePasswordHash(tx, userId, found.password_hash, better, nowMs);
      const tokens = await this.#sessions.open(tx, userId, origin);
      await this.#audit.write(tx, {
        action: 'identity.sign_in',
        userId,
        actor: 'user',
        origin,
        sessionId: tokens.sessionId,
      });
      return tokens;
    });
  }

  async #account(tx: Tx, userId: string): Promise<Account> {
    const row = await accounts.findAccount(tx, userId);
    if (row === undefined || row.email_enc === null) throw new AppError('identity.unauthenticated');
    return {
      userId,
      email: await this.#keys.cells.decrypt(tx, mailCell(userId), row.email_enc),
      displayName: row.display_name,
      locale: row.locale,
      timeZone: row.time_zone,
      roles: row.roles,
      createdAt: new Date(row.created_ms).toISOString(),
    };
  }
}

const wrongCurrentPassword = (): AppError =>
  new AppError('identity.invalid_credentials', {
    field: 'currentPassword',
    expected: 'the password of this account',
  });
