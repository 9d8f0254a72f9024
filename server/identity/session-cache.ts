/**
 * What this process remembers of sessions, for a few seconds, bounded in number. A lookup that was under way when its
 * session changed is not kept: it may have read what no longer holds.
 */
import type { Principal } from '../http.ts';

type Entry = { principal: Principal; untilMs: number };

export class SessionCache {
  readonly #byToken = new Map<string, Entry>();
  readonly #tokensOf = new Map<string, Set<string>>();
  readonly #maxTokens: number;
  readonly #lifeMs: number;
  #changes = 0;

  constructor(options: { maxTokens: number; lifeMs: number }) {
    this.#maxTokens = options.maxTokens;
    this.#lifeMs = options.lifeMs;
  }

  /** Give it back to `put`. */
  get changes(): number {
    return this.#changes;
  }

  get(tokenHash: string, nowMs: number): Principal | undefined {
    const entry = this.#byToken.get(tokenHash);
    if (entry === undefined) return undefined;
    if (entry.untilMs > nowMs) return entry.principal;
    this.#forget(tokenHash, entry.principal.sessionId);
    return undefined;
  }

  /** @param changes the count before the lookup began. */
  put(tokenHash: string, principal: Principal, expiresMs: number, nowMs: number, changes: number): void {
    if (changes !== this.#changes) return;
    this.#byToken.set(tokenHash, { principal, untilMs: Math.min(expiresMs, nowMs + this.#lifeMs) });
    const tokens = this.#tokensOf.get(principal.sessionId);
    if (tokens === undefined) this.#tokensOf.set(principal.sessionId, new Set([tokenHash]));
    else tokens.add(tokenHash);
    if (this.#byToken.size <= this.#maxTokens) return;
    const [oldest] = this.#byToken;
    if (oldest !== undefined) this.#forget(oldest[0], oldest[1].principal.sessionId);
  }

  /** Whatever is known of this session no longer holds. */
  drop(sessionId: string): void {
    this.#changes++;
    for (const tokenHash of this.#tokensOf.get(sessionId) ?? []) this.#byToken.delete(tokenHash);
    this.#tokensOf.delete(sessionId);
  }

  #forget(tokenHash: string, sessionId: string): void {
    this.#byToken.delete(tokenHash);
    const tokens = this.#tokensOf.get(sessionId);
    tokens?.delete(tokenHash);
    if (tokens?.size === 0) this.#tokensOf.delete(sessionId);
  }
}
