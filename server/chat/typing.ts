/** Somebody types: his other connections hear of it, wherever they are. Nothing is stored, and a fast typist floods nobody. */
import type { Clock } from '../clock.ts';
import type { Caller } from '../peer.ts';
import type { Audience } from './audience.ts';

/** What comes sooner for the same conversation is not passed on. */
const PAUSE_MS = 1_000;

export class Typing {
  readonly #audience: Audience;
  readonly #clock: Clock;
  readonly #resting = new Set<string>();

  constructor(audience: Audience, clock: Clock) {
    this.#audience = audience;
    this.#clock = clock;
  }

  /** Only the caller's own connections are told, so it does not matter whose conversation it is. */
  note({ userId, sessionId, peer }: Caller, conversationId: string): void {
    const key = `${userId} ${conversationId}`;
    if (this.#resting.has(key)) return;
    this.#resting.add(key);
    this.#clock.after(PAUSE_MS, () => this.#resting.delete(key));
    const body = { conversationId, sessionId, connectionId: peer.connectionId };
    this.#audience.tell(userId, { type: 'chat.typing', body }, peer);
  }
}
