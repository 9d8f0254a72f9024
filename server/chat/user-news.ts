/**
 * News for a user's connections on other gateways. A channel a user, heard only where he is connected, and not used at all
 * where there is one gateway.
 */
import type { LiveStore } from '../../db/live/live-store.ts';
import type { Push } from '../../protocol/down.ts';
import type { Clock, Timer } from '../clock.ts';
import type { ChatLog } from './needs.ts';

type News = { from: string; push: Push };
type Heard = { end: () => Promise<void> };

/** Whoever was cut off comes back in a moment: leaving his channel and joining it again would cost more than hearing it. */
const LINGER_MS = 5_000;

const channelOf = (userId: string): string => `user:${userId}`;

export class UserNews {
  readonly #live: Pick<LiveStore, 'publish' | 'subscribe'> | undefined;
  readonly #owner: string;
  readonly #log: ChatLog;
  readonly #clock: Clock;
  readonly #heard = new Map<string, Promise<Heard | undefined>>();
  /** Users without a connection here, whose channels are still heard. */
  readonly #leaving = new Map<string, Timer>();
  #deliver: (userId: string, push: Push) => void = () => {};

  /** @param live undefined where this is the only gateway. */
  constructor(live: Pick<LiveStore, 'publish' | 'subscribe'> | undefined, owner: string, log: ChatLog, clock: Clock) {
    this.#live = live;
    this.#owner = owner;
    this.#log = log;
    this.#clock = clock;
  }

  /** What is done with news of other gateways. Set once. */
  onNews(deliver: (userId: string, push: Push) => void): void {
    this.#deliver = deliver;
  }

  /** The user has a connection here. */
  join(userId: string): void {
    this.#leaving.get(userId)?.cancel();
    this.#leaving.delete(userId);
    if (this.#live === undefined || this.#heard.has(userId)) return;
    const listening = this.#live
      .subscribe(channelOf(userId), (payload) => this.#hear(userId, JSON.parse(payload) as News))
      .then(
        (end): Heard => ({ end }),
        (error: unknown) => {
          this.#heard.delete(userId);
          this.#log.warn({ error }, 'news of other gateways cannot be heard');
          return undefined;
        },
      );
    this.#heard.set(userId, listening);
  }

  /** His last connection here is gone. */
  leave(userId: string): void {
    if (!this.#heard.has(userId)) return;
    this.#leaving.get(userId)?.cancel();
    this.#leaving.set(
      userId,
      this.#clock.after(LINGER_MS, () => this.#end(userId)),
    );
  }

  #end(userId: string): void {
    this.#leaving.delete(userId);
    const listening = this.#heard.get(userId);
    if (listening === undefined) return;
    this.#heard.delete(userId);
    listening
      .then((heard) => heard?.end())
      .catch((error: unknown) => this.#log.warn({ error }, 'news of other gateways could not be left'));
  }

  /** Resolves when news about this user arrive, so that what is read afterwards has no gap to what is told. */
  async ready(userId: string): Promise<void> {
    await this.#heard.get(userId);
  }

  tell(userId: string, push: Push): void {
    this.#live
      ?.publish(channelOf(userId), JSON.stringify({ from: this.#owner, push } satisfies News))
      .catch((error: unknown) => this.#log.warn({ error }, 'other gateways could not be told'));
  }

  #hear(userId: string, { from, push }: News): void {
    if (from !== this.#owner) this.#deliver(userId, push);
  }
}
