/** The access token of this tab: fetched by cookie when it is needed, renewed before it ends, never stored. */
import { postRefresh, postSocketTicket, RequestError } from './auth-api.ts';

type Held = { token: string; endsAtMs: number };

const renewBeforeMs = 30_000;

export class AccessTokens {
  #held: Held | undefined;
  #renewing: Promise<Held> | undefined;
  readonly #onEnded: () => void;

  /** @param onEnded runs when the server says that the session is over */
  constructor(onEnded: () => void) {
    this.#onEnded = onEnded;
  }

  hold(answer: { accessToken: string; expiresInS: number }): Held {
    this.#held = { token: answer.accessToken, endsAtMs: Date.now() + answer.expiresInS * 1_000 };
    return this.#held;
  }

  drop(): void {
    this.#held = undefined;
  }

  /** A token that is good for a while. @throws RequestError `identity.unauthenticated` when the session is over */
  async get(): Promise<string> {
    if (this.#held !== undefined && this.#held.endsAtMs - renewBeforeMs > Date.now()) return this.#held.token;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return (await this.#renewing).token;
  }

  /** A ticket for one socket. A token that the server no longer takes is renewed once. */
  async socketTicket(): Promise<string> {
    try {
      return (await postSocketTicket(await this.get())).ticket;
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== 'identity.unauthenticated' || this.#held === undefined)
        throw error;
      this.drop();
      return (await postSocketTicket(await this.get())).ticket;
    }
  }

  async #renew(): Promise<Held> {
    try {
      // One tab at a time: using one refresh token twice would look like theft and end the session.
      return this.hold(await oneTabAtATime(postRefresh));
    } catch (error) {
      if (error instanceof RequestError && error.code.startsWith('identity.')) {
        this.drop();
        this.#onEnded();
      }
      throw error;
    }
  }
}

async function oneTabAtATime<T>(task: () => Promise<T>): Promise<T> {
  // Locks are missing on plain HTTP outside loopback.
  const locks: LockManager | undefined = navigator.locks;
  return locks === undefined ? task() : await locks.request('tsumugi.refresh', task);
}
