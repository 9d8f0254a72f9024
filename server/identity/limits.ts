/** How often accounts and addresses may try. Counted in the live store, so for all gateways together. */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { LiveStore, OnceValue } from '../../db/live/live-store.ts';
import { AppError } from '../errors.ts';
import { networkOf, plainAddress } from './addresses.ts';

export type Limit = Readonly<{ burst: number; perSecond: number }>;

export type IdentityLimits = Readonly<{
  signUpPerAddress: Limit;
  signInPerAddress: Limit;
  /** Wrong passwords for one account from one network: the owner elsewhere stays able to sign in. */
  failuresPerAccountAndNetwork: Limit;
  /** Wrong passwords for one account from everywhere. */
  failuresPerAccount: Limit;
  refreshPerAddress: Limit;
  ticketsPerUser: Limit;
}>;

export const defaultLimits: IdentityLimits = {
  signUpPerAddress: { burst: 100, perSecond: 20 / 60 },
  signInPerAddress: { burst: 200, perSecond: 1 },
  failuresPerAccountAndNetwork: { burst: 10, perSecond: 1 / 60 },
  failuresPerAccount: { burst: 100, perSecond: 1 / 10 },
  refreshPerAddress: { burst: 1_000, perSecond: 20 },
  ticketsPerUser: { burst: 200, perSecond: 5 },
};

export class RateLimits {
  readonly #live: LiveStore;
  readonly #limits: IdentityLimits;

  constructor(live: LiveStore, limits: IdentityLimits) {
    this.#live = live;
    this.#limits = limits;
  }

  signUp(address: string): Promise<void> {
    return this.#take(`sign-up:${addressKey(address)}`, this.#limits.signUpPerAddress);
  }

  signIn(address: string): Promise<void> {
    return this.#take(`sign-in:${addressKey(address)}`, this.#limits.signInPerAddress);
  }

  refresh(address: string): Promise<void> {
    return this.#take(`refresh:${addressKey(address)}`, this.#limits.refreshPerAddress);
  }

  /** With the limit, the ticket is put: a crowd that comes back asks the live store once for each. */
  async ticket(userId: string, ticket: OnceValue): Promise<void> {
    grant(await this.#live.putOnceFor(`identity:ticket:${userId}`, this.#limits.ticketsPerUser, ticket));
  }

  /**
   * Takes a try of an account before its password is looked at, so that parallel guesses cannot slip through.
   * @param account the keyed hash of the mail: unknown mails are counted like known ones.
   * @returns what gives the try back after the right password.
   */
  async passwordTry(account: string, address: string): Promise<() => Promise<void>> {
    const network = fingerprint(networkOf(address) ?? address);
    const narrow = `password:${account}:${network}`;
    const wide = `password:${account}`;
    await this.#take(narrow, this.#limits.failuresPerAccountAndNetwork);
    await this.#take(wide, this.#limits.failuresPerAccount);
    return async () => {
      await Promise.all([
        this.#live.takeTokens(`identity:${narrow}`, this.#limits.failuresPerAccountAndNetwork, -1),
        this.#live.takeTokens(`identity:${wide}`, this.#limits.failuresPerAccount, -1),
      ]);
    };
  }

  /** @throws AppError `protocol.rate_limited` with `retryAfterMs`. */
  async #take(key: string, limit: Limit): Promise<void> {
    grant(await this.#live.takeTokens(`identity:${key}`, limit));
  }
}

function grant({ retryAfterMs }: { retryAfterMs: number }): void {
  if (retryAfterMs > 0) throw new AppError('protocol.rate_limited', { retryAfterMs: Math.ceil(retryAfterMs) });
}

/** One household of IPv6 has a /64 at least; counting single addresses there would count nothing. */
function addressKey(address: string): string {
  const plain = plainAddress(address);
  return fingerprint(isIPv6(plain) ? (networkOf(plain) ?? plain) : plain);
}

/** Keys of the live store may be printed and kept a while; an address should not stand in them. */
function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
