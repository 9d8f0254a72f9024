/**
 * How many connections a user has, on all gateways together. Tells them when that changes, a moment later, so that a crowd that
 * comes and goes is told once. Keeps nothing of users whose number stands still.
 */
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Push } from '../../protocol/down.ts';
import type { Clock } from '../clock.ts';

type Parts = Readonly<{
  /** Undefined where this is the only gateway. */
  live: Pick<LiveStore, 'setPresence'> | undefined;
  /** Name of this gateway among all. */
  gateway: string;
  /** The user's connections on this gateway. */
  countHere(userId: string): number;
  /** Everybody who is connected here. */
  usersHere(): Iterable<string>;
  tellHere(userId: string, push: Push): void;
  tellEverywhere(userId: string, push: Push): void;
  clock: Clock;
  log: { warn(facts: object, message: string): void };
}>;

const PAUSE_MS = 250;
/** A dead gateway's connections are counted for so long. */
const LIFE_MS = 60_000;
const RENEW_MS = 20_000;
/** Users whose presence is renewed in one go. */
const RENEW_AT_ONCE = 500;

export class UserPresence {
  readonly #parts: Parts;
  /** Users whose number has changed just now, and whether one of their connections has closed. */
  readonly #changed = new Map<string, { closed: boolean }>();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    if (parts.live !== undefined) this.#scheduleRenewal();
  }

  /** A connection of the user has come or gone here. */
  changed(userId: string, how: 'opened' | 'closed'): void {
    const known = this.#changed.get(userId);
    if (known !== undefined) {
      known.closed ||= how === 'closed';
      return;
    }
    this.#changed.set(userId, { closed: how === 'closed' });
    this.#parts.clock.after(PAUSE_MS, () => void this.#settle(userId));
  }

  /** Of the user, on all gateways. */
  async count(userId: string): Promise<number> {
    const { live, countHere } = this.#parts;
    // What this gateway has said may be a moment old, its own count is not.
    if (live === undefined) return countHere(userId);
    return live.setPresence(userId, this.#parts.gateway, countHere(userId), LIFE_MS);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #settle(userId: string): Promise<void> {
    const { countHere, tellHere, tellEverywhere, log } = this.#parts;
    const closed = this.#changed.get(userId)?.closed ?? false;
    this.#changed.delete(userId);
    if (this.#stopped) return;
    try {
      const connections = await this.count(userId);
      // Who is alone from the beginning to the end is not told so.
      if (connections === 0 || (connections === 1 && !closed)) return;
      const push: Push = { type: 'identity.presence', body: { connections } };
      if (connections > countHere(userId)) tellEverywhere(userId, push);
      else tellHere(userId, push);
    } catch (error) {
      log.warn({ error }, 'a change of presence could not be told');
    }
  }

  #scheduleRenewal(): void {
    this.#parts.clock.after(RENEW_MS, async () => {
      if (this.#stopped) return;
      await this.#renew().catch((error: unknown) => this.#parts.log.warn({ error }, 'presence could not be renewed'));
      this.#scheduleRenewal();
    });
  }

  async #renew(): Promise<void> {
    const users = [...new Set(this.#parts.usersHere())];
    for (let at = 0; at < users.length; at += RENEW_AT_ONCE) {
      await Promise.all(users.slice(at, at + RENEW_AT_ONCE).map((userId) => this.count(userId)));
    }
  }
}
