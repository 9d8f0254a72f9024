/**
 * Sessions and their tokens: opening, refreshing, ending, recognising. A session is one sign-in on one device and the family
 * of its refresh tokens. PostgreSQL is the truth; the live store and this process only remember.
 *
 * A socket lives as long as its session, not as long as the access token that opened it: it is closed when the session ends.
 */
import { randomBytes } from 'node:crypto';
import type { Database, Tx } from '../../db/client.ts';
import { lockUser, selectRoles } from '../../db/identity/accounts.ts';
import * as rows from '../../db/identity/sessions.ts';
import type { LiveStore, OnceValue } from '../../db/live/live-store.ts';
import { uuidv7 } from '../../db/uuid.ts';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import type { Principal } from '../http.ts';
import { networkOf } from './addresses.ts';
import type { Audit, Origin } from './audit.ts';
import { cleanUserAgent } from './rules.ts';
import { SessionCache } from './session-cache.ts';
import { hashToken, newAccessToken, newRefreshToken, newTicket, readAccessToken, successorOf } from './tokens.ts';

export type SessionOptions = Readonly<{
  accessLifeMs: number;
  /** Also how long a session lives without a refresh. */
  refreshLifeMs: number;
  ticketLifeMs: number;
  /** How long after its first use a refresh token gives the same successor once more (two tabs at once). */
  reuseGraceMs: number;
  /** How long another gateway's news of an ended session may be missed, should the live store lose it. */
  cacheLifeMs: number;
  maxCachedTokens: number;
}>;

export const defaultSessionOptions: SessionOptions = {
  accessLifeMs: 15 * 60_000,
  refreshLifeMs: 30 * 86_400_000,
  ticketLifeMs: 60_000,
  reuseGraceMs: 10_000,
  cacheLifeMs: 10_000,
  maxCachedTokens: 20_000,
};

export type IssuedTokens = Readonly<{
  userId: string;
  sessionId: string;
  accessToken: string;
  refreshToken: string;
  expiresInS: number;
}>;

/** Tells the gateway of this process to close the sockets of a session. Called on every gateway, perhaps twice. */
export type SessionEnded = (userId: string, sessionId: string) => void;

const CHANNEL = 'identity.sessions';
/** Tabs of one session whose tokens the live store remembers. */
const MAX_LIVE_TOKENS = 16;
type News = { userId: string; sessionId: string; ended: boolean };
/** What the live store keeps of a session: hex hashes of its live access tokens with their ends, and the roles. */
type LiveSession = { tokens: Record<string, number>; roles: string[] };

type Parts = Readonly<{
  db: Database;
  live: LiveStore;
  clock: Clock;
  audit: Audit;
  options: SessionOptions;
  onEnded: SessionEnded;
}>;

export class Sessions {
  readonly #parts: Parts;
  readonly #cache: SessionCache;
  #unsubscribe: (() => Promise<void>) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#cache = new SessionCache({ maxTokens: parts.options.maxCachedTokens, lifeMs: parts.options.cacheLifeMs });
  }

  /** Begins to listen to the other gateways. */
  async start(): Promise<void> {
    this.#unsubscribe = await this.#parts.live.subscribe(CHANNEL, (payload) => this.#hear(JSON.parse(payload) as News));
  }

  async close(): Promise<void> {
    await this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Opens a session in the transaction that checked who it is for; that transaction has locked the user's row. */
  async open(tx: Tx, userId: string, origin: Origin): Promise<IssuedTokens> {
    const { clock, options } = this.#parts;
    const nowMs = clock.now();
    const sessionId = uuidv7(nowMs);
    await rows.insertSession(tx, {
      id: sessionId,
      userId,
      userAgent: cleanUserAgent(origin.userAgent),
      network: networkOf(origin.address) ?? null,
      nowMs,
      notAfterMs: nowMs + options.refreshLifeMs,
    });
    return this.#issue(tx, userId, sessionId, newRefreshToken(), null);
  }

  /**
   * Exchanges a refresh token, which is then used up.
   * @throws AppError `identity.unauthenticated`; `identity.token_reused` after which the whole session has ended.
   */
  async refresh(refreshToken: string, origin: Origin): Promise<IssuedTokens> {
    const hash = hashToken(refreshToken);
    const outcome = await this.#parts.db.asService(async (tx) => {
      const owner = await rows.findRefreshTokenOwner(tx, hash);
      // Order of locks everywhere: the user's row, then the session's.
      if (owner === undefined || (await lockUser(tx, owner.user_id)) !== 'active') return undefined;
      const session = await rows.lockSession(tx, owner.session_id);
      const token = await rows.getRefreshToken(tx, hash);
      const nowMs = this.#parts.clock.now();
      if (session === undefined || token === undefined || session.ended || token.revoked) return undefined;
      if (token.expires_ms <= nowMs || session.not_after_ms <= nowMs) return undefined;
      if (token.used_ms === null) return this.#exchange(tx, session, refreshToken, token.id);
      if (this.#inGrace(token)) return this.#repeat(tx, session, refreshToken, token);
      await this.#end(tx, session.user_id, { only: session.id }, 'token_reuse');
      const event = { action: 'identity.token_reused', userId: session.user_id, actor: 'anonymous' } as const;
      await this.#parts.audit.write(tx, { ...event, origin, sessionId: session.id });
      return { reused: session };
    });
    if (outcome === undefined) throw new AppError('identity.unauthenticated');
    if (!('reused' in outcome)) return outcome;
    await this.#announce(outcome.reused.user_id, [outcome.reused.id], true);
    throw new AppError('identity.token_reused');
  }

  /** The session that a refresh token belongs to, without using it up. */
  async findByRefreshToken(refreshToken: string): Promise<Principal | undefined> {
    return this.#parts.db.asService(async (tx) => {
      const owner = await rows.findRefreshTokenOwner(tx, hashToken(refreshToken));
      const row = owner && (await rows.findBySession(tx, owner.session_id, this.#parts.clock.now()));
      return row && toPrincipal(row);
    });
  }

  /**
   * Ends sessions in the given transaction. Call `announceEnded` with the result after its commit.
   * The live store forgets them first: when it cannot be reached, nothing is changed and the caller learns so.
   */
  end(tx: Tx, userId: string, which: { only?: string; except?: string }, reason: rows.EndReason): Promise<string[]> {
    return this.#end(tx, userId, which, reason);
  }

  announceEnded(userId: string, sessionIds: readonly string[]): Promise<void> {
    return this.#announce(userId, sessionIds, true);
  }

  /** Makes every gateway look up the roles of a user anew. Inside the transaction that changes them, then `announceChanged`. */
  async forgetRoles(tx: Tx, userId: string): Promise<string[]> {
    const live = await rows.selectLiveSessions(tx, userId, this.#parts.clock.now());
    await Promise.all(live.map((session) => this.#parts.live.dropSession(userId, session.id)));
    return live.map((session) => session.id);
  }

  announceChanged(userId: string, sessionIds: readonly string[]): Promise<void> {
    return this.#announce(userId, sessionIds, false);
  }

  /**
   * Whom an access token stands for. Hot: memory first, then the live store, then PostgreSQL.
   * @throws AppError `identity.unauthenticated`.
   */
  async authenticate(accessToken: string): Promise<Principal> {
    const claimed = readAccessToken(accessToken);
    if (claimed === undefined) throw new AppError('identity.unauthenticated');
    const nowMs = this.#parts.clock.now();
    const hash = hashToken(accessToken);
    const hex = hash.toString('hex');
    const cached = this.#cache.get(hex, nowMs);
    if (cached !== undefined) return cached;
    const changes = this.#cache.changes;
    const found = (await this.#findLive(claimed, hex)) ?? (await this.#findStored(hash, nowMs));
    if (found === undefined || found.expiresMs <= nowMs) throw new AppError('identity.unauthenticated');
    this.#cache.put(hex, found.principal, found.expiresMs, nowMs, changes);
    return found.principal;
  }

  /**
   * A one-use pass for opening a socket: short-lived, so it may stand in a URL.
   * @param put into the live store, or refuses.
   */
  async createTicket(
    principal: Principal,
    put: (once: OnceValue) => Promise<void>,
  ): Promise<{ ticket: string; expiresInS: number }> {
    const ticket = newTicket();
    const { ticketLifeMs } = this.#parts.options;
    await put({ key: ticketKey(ticket), value: `${principal.userId} ${principal.sessionId}`, ttlMs: ticketLifeMs });
    return { ticket, expiresInS: Math.floor(ticketLifeMs / 1_000) };
  }

  /** @throws AppError `identity.unauthenticated` for a used, old or unknown ticket, or when its session has ended. */
  async redeemTicket(ticket: string): Promise<Principal> {
    const holder = await this.#parts.live.takeOnce(ticketKey(ticket));
    const [userId, sessionId] = holder?.split(' ') ?? [];
    if (userId === undefined || sessionId === undefined) throw new AppError('identity.unauthenticated');
    // A session that the live store remembers has not ended. When thousands come back at once, the database is not asked for them.
    const known = parseLive(await this.#parts.live.getSession(userId, sessionId));
    if (known !== undefined) return { userId, sessionId, roles: known.roles };
    const row = await this.#parts.db.asServiceAtOnce((tx) =>
      rows.findBySession(tx, sessionId, this.#parts.clock.now()),
    );
    if (row === undefined) throw new AppError('identity.unauthenticated');
    return toPrincipal(row);
  }

  /** Those of the given sessions that are over: a gateway asks now and then, in case news was lost. */
  findEnded(sessionIds: readonly string[]): Promise<string[]> {
    return this.#parts.db.asService((tx) => rows.selectEnded(tx, sessionIds, this.#parts.clock.now()));
  }

  /** Removes tokens that ran out, and sessions that ended 90 days ago. */
  async sweep(): Promise<void> {
    await this.#parts.db.asService((tx) => rows.deleteExpired(tx, this.#parts.clock.now(), 90 * 86_400_000));
  }

  async #exchange(tx: Tx, session: rows.SessionRow, refreshToken: string, tokenId: string): Promise<IssuedTokens> {
    const nowMs = this.#parts.clock.now();
    const salt = randomBytes(32);
    await rows.markRefreshTokenUsed(tx, tokenId, salt, nowMs);
    await rows.touchSession(tx, session.id, nowMs, nowMs + this.#parts.options.refreshLifeMs);
    return this.#issue(tx, session.user_id, session.id, successorOf(refreshToken, salt), tokenId);
  }

  /**
   * The first to ask has the successor already; it is computed anew, not stored. A thief inside the grace gets the very token
   * that the owner holds, so that the next use by either of them is seen as reuse.
   */
  async #repeat(
    tx: Tx,
    session: rows.SessionRow,
    refreshToken: string,
    token: rows.RefreshTokenRow,
  ): Promise<IssuedTokens> {
    if (token.successor_salt === null) throw new Error('A used refresh token has no salt.');
    const accessToken = await this.#addAccessToken(tx, session.user_id, session.id);
    return this.#issued(session.user_id, session.id, accessToken, successorOf(refreshToken, token.successor_salt));
  }

  #inGrace(token: rows.RefreshTokenRow): boolean {
    if (token.used_ms === null || token.successor_used) return false;
    return this.#parts.clock.now() - token.used_ms <= this.#parts.options.reuseGraceMs;
  }

  async #issue(
    tx: Tx,
    userId: string,
    sessionId: string,
    refreshToken: string,
    parentId: string | null,
  ): Promise<IssuedTokens> {
    const expiresMs = this.#parts.clock.now() + this.#parts.options.refreshLifeMs;
    await rows.insertRefreshToken(tx, { hash: hashToken(refreshToken), sessionId, userId, parentId, expiresMs });
    const accessToken = await this.#addAccessToken(tx, userId, sessionId);
    return this.#issued(userId, sessionId, accessToken, refreshToken);
  }

  #issued(userId: string, sessionId: string, accessToken: string, refreshToken: string): IssuedTokens {
    return {
      userId,
      sessionId,
      accessToken,
      refreshToken,
      expiresInS: Math.floor(this.#parts.options.accessLifeMs / 1_000),
    };
  }

  /**
   * Tokens of one session stand beside each other: another tab goes on with the one it has.
   * The live store is written while the session's row is locked, so that it can never be written after the session's end.
   */
  async #addAccessToken(tx: Tx, userId: string, sessionId: string): Promise<string> {
    const { clock, live, options } = this.#parts;
    const accessToken = newAccessToken(userId, sessionId);
    const hash = hashToken(accessToken);
    const nowMs = clock.now();
    const expiresMs = nowMs + options.accessLifeMs;
    await rows.insertAccessToken(tx, hash, sessionId, userId, expiresMs);
    const known = parseLive(await live.getSession(userId, sessionId));
    const others = Object.entries(known?.tokens ?? {}).filter(([, untilMs]) => untilMs > nowMs);
    // Newest last; what is left out here is still found in PostgreSQL.
    const tokens = Object.fromEntries([...others.slice(1 - MAX_LIVE_TOKENS), [hash.toString('hex'), expiresMs]]);
    const value: LiveSession = { tokens, roles: await selectRoles(tx, userId) };
    await live.putSession(userId, sessionId, JSON.stringify(value), options.accessLifeMs);
    return accessToken;
  }

  async #findLive(claimed: { userId: string; sessionId: string }, hex: string) {
    const known = parseLive(await this.#parts.live.getSession(claimed.userId, claimed.sessionId));
    const expiresMs = known?.tokens[hex];
    if (known === undefined || expiresMs === undefined) return undefined;
    return { principal: { ...claimed, roles: known.roles }, expiresMs };
  }

  async #findStored(hash: Buffer, nowMs: number) {
    const row = await this.#parts.db.asService((tx) => rows.findByAccessToken(tx, hash, nowMs));
    return row && { principal: toPrincipal(row), expiresMs: row.expires_ms };
  }

  async #end(
    tx: Tx,
    userId: string,
    which: { only?: string; except?: string },
    reason: rows.EndReason,
  ): Promise<string[]> {
    const { clock, live } = this.#parts;
    const ids = await rows.endSessions(tx, userId, which, reason, clock.now());
    await Promise.all(ids.map((id) => live.dropSession(userId, id)));
    return ids;
  }

  async #announce(userId: string, sessionIds: readonly string[], ended: boolean): Promise<void> {
    for (const sessionId of sessionIds) this.#hear({ userId, sessionId, ended });
    await Promise.all(
      sessionIds.map((sessionId) => {
        const news: News = { userId, sessionId, ended };
        return this.#parts.live.publish(CHANNEL, JSON.stringify(news));
      }),
    );
  }

  #hear(news: News): void {
    this.#cache.drop(news.sessionId);
    if (news.ended) this.#parts.onEnded(news.userId, news.sessionId);
  }
}

function toPrincipal(row: rows.PrincipalRow): Principal {
  return { userId: row.user_id, sessionId: row.session_id, roles: row.roles };
}

function parseLive(value: string | undefined): LiveSession | undefined {
  return value === undefined ? undefined : (JSON.parse(value) as LiveSession);
}

function ticketKey(ticket: string): string {
  return `ticket:${hashToken(ticket).toString('hex')}`;
}
