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
/** So many users whose number changes within a pause are a crowd: it is told when it has come to rest. */
const CROWD = 100;
/** But for one that does not: after so long it is told how it stands. */
const CROWD_MS = 5_000;
/** A dead gateway's connections are counted for so long. */
const LIFE_MS = 60_000;
const RENEW_MS = 20_000;
/** Users that are told of to the live store with one message. */
const AT_ONCE = 500;

export class UserPresence {
  readonly #parts: Parts;
  /** Users whose number has changed just now, and whether one of their connections has closed. */
  #changed = new Map<string, { closed: boolean }>();
  /** False when nothing has changed since the pause began. */
  #goesOn = false;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    if (parts.live !== undefined) this.#scheduleRenewal();
  }

  /** A connection of the user has come or gone here. */
  changed(userId: string, how: 'opened' | 'closed'): void {
    this.#goesOn = true;
    const known = this.#changed.get(userId);
    if (known !== undefined) {
      known.closed ||= how === 'closed';
      return;
    }
    this.#changed.set(userId, { closed: how === 'closed' });
    if (this.#changed.size === 1) this.#pause(PAUSE_MS);
  }

  /** Of the user, on all gateways. */
  async count(userId: string): Promise<number> {
    const [connections = 0] = await this.#count([userId]);
    return connections;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** When thousands come back at once, telling each of them at each step would take the time in which they are waited for. */
  #pause(waitedMs: number): void {
    this.#goesOn = false;
    this.#parts.clock.after(PAUSE_MS, () => {
      const isCrowd = this.#changed.size > CROWD && this.#goesOn && waitedMs < CROWD_MS;
      if (isCrowd && !this.#stopped) this.#pause(waitedMs + PAUSE_MS);
      else void this.#settle();
    });
  }

  async #settle(): Promise<void> {
    const changed = this.#changed;
    this.#changed = new Map();
    if (this.#stopped) return;
    try {
      const users = [...changed.keys()];
      const counts = await this.#count(users);
      for (const [place, userId] of users.entries())
        this.#tell(userId, counts[place] ?? 0, changed.get(userId)?.closed ?? false);
    } catch (error) {
      this.#parts.log.warn({ error }, 'a change of presence could not be told');
    }
  }

  #tell(userId: string, connections: number, closed: boolean): void {
    const { countHere, tellHere, tellEverywhere } = this.#parts;
    // Who is alone from the beginning to the end is not told so.
    if (connections === 0 || (connections === 1 && !closed)) return;
    const push: Push = { type: 'identity.presence', body: { connections } };
    if (connections > countHere(userId)) tellEverywhere(userId, push);
    else tellHere(userId, push);
  }

  /** On all gateways; what this one has said may be a moment old, its own count is not. */
  async #count(users: readonly string[]): Promise<number[]> {
    const { live, gateway, countHere } = this.#parts;
    if (live === undefined) return users.map(countHere);
    const counts: number[] = [];
    for (let at = 0; at < users.length; at += AT_ONCE) {
      const some = users.slice(at, at + AT_ONCE).map((userId) => ({ userId, connections: countHere(userId) }));
      counts.push(...(await live.setPresence(gateway, some, LIFE_MS)));
    }
    return counts;
  }

  #scheduleRenewal(): void {
    this.#parts.clock.after(RENEW_MS, async () => {
      if (this.#stopped) return;
      await this.#count([...new Set(this.#parts.usersHere())]).catch((error: unknown) =>
        this.#parts.log.warn({ error }, 'presence could not be renewed'),
      );
      this.#scheduleRenewal();
    });
  }
}
